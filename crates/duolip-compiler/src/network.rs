//! A recognised Wav2Lip network: topology and weights, whatever file they came from.
//!
//! In the middle of this crate's flow: recognition makes it, the graphs are written from it.

use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};

use crate::layer::Layer;

mod random;

pub use random::Widths;

/// Wav2Lip's layers with their weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    pub(crate) input_size: usize,
    pub(crate) audio: Vec<Layer>,
    /// The face encoder's blocks, from the picture down.
    pub(crate) face: Vec<Vec<Layer>>,
    /// The decoder's blocks, from the audio's vector up.
    pub(crate) decoder: Vec<Vec<Layer>>,
    pub(crate) output: [Layer; 2],
}

impl Network {
    /// Width and height of faces and mouths, in pixels.
    #[must_use]
    pub fn input_size(&self) -> usize {
        self.input_size
    }

    /// The trainable numbers: 36 298 035 for the published networks of 96 pixels, where
    /// `BatchNorm` is not folded.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.layers().map(Layer::parameters).sum()
    }

    /// Multiply-adds for one frame of the network as it is.
    #[must_use]
    pub fn multiply_adds(&self) -> u64 {
        let mut count = 0;
        let mut run = |layers: &mut dyn Iterator<Item = &Layer>, mut size: [usize; 2]| {
            for layer in layers {
                let output = [0, 1].map(|axis| layer.form.output_size(size[axis], axis));
                // A transposed convolution works per place of its input.
                let places = if layer.form.transposed.is_some() { size } else { output };
                count += (layer.weight.len() * places[0] * places[1]) as u64;
                size = output;
            }
        };
        run(&mut self.audio.iter(), [BANDS, WINDOW_STEPS]);
        run(&mut self.face.iter().flatten(), [self.input_size; 2]);
        run(&mut self.decoder.iter().flatten(), [1, 1]);
        run(&mut self.output.iter(), [self.input_size; 2]);
        count
    }

    /// The size of the map that decoder block `block` gives.
    pub(crate) fn decoder_size(&self, block: usize) -> usize {
        if block == 0 { 1 } else { self.input_size >> (self.decoder.len() - 1 - block) }
    }

    fn layers(&self) -> impl Iterator<Item = &Layer> {
        self.audio
            .iter()
            .chain(self.face.iter().flatten())
            .chain(self.decoder.iter().flatten())
            .chain(&self.output)
    }
}
