//! Wav2Lip's layers, in order, without widths: what both kinds of source are compared with.
//!
//! A face encoder that halves the picture until `bottom` pixels are left, an audio encoder that
//! makes one vector of a mel window, a decoder that mirrors the face encoder, and the output block.
//!
//! # Source
//! Wav2Lip, `models/wav2lip.py`: 96 pixels, halved five times down to 3. Published networks for
//! larger faces keep the pattern with more halvings (192) or another bottom (256: 4 pixels).

use std::ops::RangeInclusive;

use crate::layer::Form;

/// Width and height that a face may have, in pixels: smaller mouths cannot be pasted, whose
/// enlarging takes four pixels at a time.
pub(crate) const SIZES: RangeInclusive<usize> = 4..=1024;

/// The largest batch that a graph may be fixed to: it is run with a full one.
pub(crate) const LARGEST_BATCH: usize = 256;

/// Channels of a face: the masked picture and the reference.
pub(crate) const FACE_CHANNELS: usize = 6;
/// Channels of a mouth.
pub(crate) const MOUTH_CHANNELS: usize = 3;

/// What may differ between networks of the same pattern, apart from widths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topology {
    /// How many residual layers follow the first layer of each face encoder block but the last.
    pub(crate) face_residuals: Vec<usize>,
    /// The pixels that the last face encoder block turns into one, and the decoder back.
    pub(crate) bottom: usize,
    /// How many residual layers follow the transposed layer of each decoder block but the first.
    pub(crate) decoder_residuals: Vec<usize>,
}

impl Topology {
    /// Width and height of the face, in pixels; none where they are not of [`SIZES`].
    pub(crate) fn input_size(&self) -> Option<usize> {
        let halvings = self.face_residuals.len().checked_sub(1)?;
        (halvings < 16).then(|| self.bottom << halvings).filter(|size| SIZES.contains(size))
    }

    /// The face encoder's blocks.
    pub(crate) fn face(&self) -> Vec<Vec<Form>> {
        let halving = Form::convolution(3, [2, 2], 1);
        let mut blocks: Vec<Vec<Form>> = self
            .face_residuals
            .iter()
            .enumerate()
            .map(|(block, &count)| {
                followed(if block == 0 { Form::same(7) } else { halving }, count)
            })
            .collect();
        blocks.push(vec![Form::convolution(self.bottom, [1, 1], 0), Form::same(1)]);
        blocks
    }

    /// The decoder's blocks.
    pub(crate) fn decoder(&self) -> Vec<Vec<Form>> {
        let mut blocks = vec![vec![Form::same(1)]];
        blocks.extend(self.decoder_residuals.iter().enumerate().map(|(level, &count)| {
            followed(
                if level == 0 { Form::unfolding(self.bottom) } else { Form::doubling() },
                count,
            )
        }));
        blocks
    }
}

/// The audio encoder's layers: (1, 80, 16) to one vector.
pub(crate) fn audio() -> Vec<Form> {
    let mut layers = followed(Form::same(3), 2);
    layers.extend(followed(Form::convolution(3, [3, 1], 1), 2));
    layers.extend(followed(Form::convolution(3, [3, 3], 1), 2));
    layers.extend(followed(Form::convolution(3, [3, 2], 1), 1));
    layers.extend([Form::convolution(3, [1, 1], 0), Form::same(1)]);
    layers
}

/// The output block's convolutions.
pub(crate) fn output() -> [Form; 2] {
    [Form::same(3), Form { activated: false, ..Form::same(1) }]
}

/// `first`, then `residuals` residual layers.
fn followed(first: Form, residuals: usize) -> Vec<Form> {
    let mut layers = vec![first];
    layers.extend(std::iter::repeat_n(Form::residual(), residuals));
    layers
}
