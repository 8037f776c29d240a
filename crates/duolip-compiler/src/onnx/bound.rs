//! How much memory a file may ask for, found out before anything of it is kept.
//!
//! A message of two bytes becomes a structure of hundreds: a small file of nothing but empty nodes
//! would fill the memory. Here its fields are counted, which costs none.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The most fields a file may have outside its tensors' values. Wav2Lip's exports have some 20 000.
pub(crate) const MOST_FIELDS: usize = 500_000;

/// What lies inside a length-delimited field.
#[derive(Clone, Copy)]
enum Inside {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Plain,
}

impl Inside {
    /// What lies in field `number` of a message of this kind.
    fn field(self, number: u32) -> Self {
        match (self, number) {
            (Self::Model, 7) => Self::Graph,
            (Self::Graph, 1) => Self::Node,
            (Self::Graph | Self::Attribute, 5) => Self::Tensor,
            (Self::Graph, 11 | 12) | (Self::ValueInfo, _) => Self::ValueInfo,
            (Self::Node, 5) => Self::Attribute,
            _ => Self::Plain,
        }
    }
}

/// Whether `file` has at most [`MOST_FIELDS`] fields. Where a message cannot be read its rest is not
/// counted: reading it in earnest stops there too.
pub(crate) fn within_bounds(file: &[u8]) -> bool {
    let mut left = MOST_FIELDS;
    // The innermost message last, so nesting costs no stack.
    let mut open = vec![(Inside::Model, file)];
    while let Some((inside, mut bytes)) = open.pop() {
        while let Some((number, field, rest)) = next_field(bytes) {
            let Some(fewer) = left.checked_sub(1) else { return false };
            left = fewer;
            bytes = rest;
            match inside.field(number) {
                Inside::Plain => {}
                message => open.push((message, field)),
            }
        }
    }
    true
}

/// The number and content of the first field in `bytes`, and what follows it; nothing at their end
/// and where they cannot be read. The marks of a group count as fields without content.
fn next_field(mut bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let (number, wire) = decode_key(&mut bytes).ok()?;
    let length = match wire {
        WireType::Varint => {
            decode_varint(&mut bytes).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => usize::try_from(decode_varint(&mut bytes).ok()?).ok()?,
        WireType::StartGroup | WireType::EndGroup => 0,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    Some((number, content, rest))
}
