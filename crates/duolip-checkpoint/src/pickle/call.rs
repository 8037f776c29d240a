//! What "calling" a name of the short list gives: a dictionary, a tensor, its own argument.
//!
//! Must not know pickle instructions.

use super::{
    Arena, Global, Storage, TensorView, Value,
    arena::{Node, StorageView},
};
use crate::{dtype::Dtype, error::Damage};

/// The result of `callable(*arguments)`.
pub(super) fn call(
    arena: &mut Arena,
    callable: Value,
    arguments: Value,
    at: u64,
) -> Result<Value, Damage> {
    let wrong = |wrong| Damage::Pickle { at, wrong };
    let Some(&Node::Global(global)) = arena.node(callable) else {
        return Err(wrong("calls what is no function"));
    };
    let arguments = arena.sequence(arguments).ok_or(wrong("calls without arguments"))?;
    match global {
        Global::Dictionary => {
            let pairs = arguments.first().and_then(|first| arena.sequence(*first));
            let pairs: Vec<(Value, Value)> = pairs
                .unwrap_or_default()
                .iter()
                .map(|pair| match arena.sequence(*pair) {
                    Some(&[key, value]) => Ok((key, value)),
                    _ => Err(wrong("fills a dictionary with what is no pair")),
                })
                .collect::<Result<_, _>>()?;
            arena.count(2 * pairs.len())?;
            arena.add(Node::Dictionary(pairs))
        }
        Global::RebuildTensor => {
            let tensor = tensor(arena, arguments, None, at)?;
            arena.add(Node::Tensor(Box::new(tensor)))
        }
        Global::RebuildTypedTensor => {
            let dtype = match arguments.get(6).and_then(|dtype| arena.node(*dtype)) {
                Some(Node::Global(Global::Dtype(dtype))) => Some(*dtype),
                _ => return Err(wrong("builds a tensor of an unknown element type")),
            };
            let tensor = tensor(arena, arguments, dtype, at)?;
            arena.add(Node::Tensor(Box::new(tensor)))
        }
        Global::FirstArgument => arguments.first().copied().ok_or(wrong("lacks an argument")),
        Global::Ignored => Ok(Value::Ignored),
        Global::StorageClass(_) | Global::Dtype(_) | Global::Module => {
            Err(wrong("calls what is no function"))
        }
    }
}

/// `(storage, offset, lengths, strides, …)`.
fn tensor(
    arena: &Arena,
    arguments: &[Value],
    dtype: Option<Dtype>,
    at: u64,
) -> Result<TensorView, Damage> {
    let wrong = |wrong| Damage::Tensor { at, wrong };
    let &[storage, Value::Int(offset), lengths, strides, ..] = arguments else {
        return Err(wrong("is built of the wrong arguments"));
    };
    let Some(&Node::Storage(stretch)) = arena.node(storage) else {
        return Err(wrong("has no storage"));
    };
    let (Some(lengths), Some(strides)) = (arena.sequence(lengths), arena.sequence(strides)) else {
        return Err(wrong("has no shape"));
    };
    if lengths.len() != strides.len() {
        return Err(wrong("has not as many strides as axes"));
    }
    let axes = lengths.iter().zip(strides).map(|pair| match pair {
        (&Value::Int(length), &Value::Int(stride)) => (length, stride),
        _ => (-1, -1),
    });
    let stored = arena.storages()[stretch.index].dtype;
    TensorView::new(stretch, stored, dtype.unwrap_or(stored), offset, axes)
        .ok_or(wrong("does not lie inside its storage"))
}

/// The storage of a persistent id: `("storage", class, key, location, elements)`, in old legacy
/// files with a sixth member, `(key, offset, elements)` of a view into it.
pub(super) fn storage(arena: &mut Arena, id: Value, at: u64) -> Result<Value, Damage> {
    let wrong = |wrong| Damage::Pickle { at, wrong };
    let unknown = "names a storage in an unknown way";
    let (class, key, elements, view) = match arena.sequence(id) {
        Some(&[kind, class, key, _location, Value::Int(elements), ref view @ ..])
            if arena.text(kind) == Some("storage") && view.len() < 2 =>
        {
            (class, key, elements, view.first().copied().unwrap_or(Value::None))
        }
        _ => return Err(wrong(unknown)),
    };
    let (Some(&Node::Global(Global::StorageClass(dtype))), Some(key), Ok(elements)) =
        (arena.node(class), arena.text(key), u64::try_from(elements))
    else {
        return Err(wrong(unknown));
    };
    let storage = Storage { key: key.to_owned(), dtype, elements };
    let (first, length) = match arena.sequence(view) {
        Some(&[_key, Value::Int(first), Value::Int(length)]) => {
            let (Ok(first), Ok(length)) = (u64::try_from(first), u64::try_from(length)) else {
                return Err(wrong(unknown));
            };
            if first.checked_add(length).is_none_or(|end| end > elements) {
                return Err(wrong("views more of a storage than there is"));
            }
            (first, length)
        }
        _ => (0, elements),
    };
    let index = arena
        .storage_index(storage)
        .ok_or(wrong("names a storage a second time with another type or length"))?;
    arena.add(Node::Storage(StorageView { index, first, elements: length }))
}
