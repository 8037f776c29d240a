//! Networks of random weights: the published layers at any widths, to measure and to test with.

use crate::layer::{Form, Layer, Norm};
use crate::network::Network;
use crate::topology::{self, FACE_CHANNELS, MOUTH_CHANNELS, Topology};

/// The channels of each part, in the order data flows through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widths {
    /// Of the face encoder's blocks but the last, which is as wide as the one before it: six make a
    /// network of 96 pixels, each one more doubles its size.
    pub face: Vec<usize>,
    /// Of the audio encoder's five groups.
    pub audio: [usize; 5],
    /// Of the decoder's blocks: one more than the face encoder's widths.
    pub decoder: Vec<usize>,
    /// Of the output block.
    pub output: usize,
    /// The pixels at the bottom of the face encoder: 3, for sizes of 96 and its doubles.
    pub bottom: usize,
}

impl Default for Widths {
    /// Those of the published networks.
    fn default() -> Self {
        Self {
            face: vec![16, 32, 64, 128, 256, 512],
            audio: [32, 64, 128, 256, 512],
            decoder: vec![512, 512, 512, 384, 256, 128, 64],
            output: 32,
            bottom: 3,
        }
    }
}

impl Network {
    /// A network of `widths` whose weights follow from `seed`; its values neither vanish nor grow
    /// on their way through the layers.
    ///
    /// # Panics
    /// When `widths.decoder` is not one longer than `widths.face`, or the size that follows is
    /// below 4 or beyond 1024 pixels.
    #[must_use]
    pub fn random(widths: &Widths, seed: u64) -> Self {
        assert_eq!(widths.decoder.len(), widths.face.len() + 1, "decoder and face widths");
        let halvings = widths.face.len() - 1;
        // As many residual layers as the published networks have: 2, 3, 2, 2 and 1 on the way down.
        let face_residuals = (0..=halvings)
            .map(|block| match block {
                0 => 0,
                2 => 3,
                last if last == halvings => 1,
                _ => 2,
            })
            .collect();
        let decoder_residuals =
            (0..=halvings).map(|block| if block == 0 { 1 } else { 2 }).collect();
        let topology = Topology { face_residuals, bottom: widths.bottom, decoder_residuals };
        let Some(input_size) = topology.input_size() else {
            panic!(
                "{halvings} halvings down to {} pixels make no face of a supported size",
                widths.bottom
            )
        };
        let mut random = Random(seed.wrapping_mul(2).wrapping_add(1));

        let mut channels = FACE_CHANNELS;
        let face: Vec<Vec<Layer>> = topology
            .face()
            .iter()
            .enumerate()
            .map(|(block, forms)| {
                let outputs = widths.face[block.min(halvings)];
                random.chain(forms, &mut channels, |_| outputs)
            })
            .collect();
        let mut channels = 1;
        // The groups begin at layers 0, 3, 6, 9 and 11.
        let audio = random.chain(&topology::audio(), &mut channels, |layer| {
            widths.audio[(layer / 3).min(3) + usize::from(layer >= 11)]
        });
        let skips: Vec<usize> = face.iter().rev().map(|block| block[0].outputs).collect();
        let mut decoder = Vec::new();
        for (block, forms) in topology.decoder().iter().enumerate() {
            if block > 0 {
                channels += skips[block - 1];
            }
            decoder.push(random.chain(forms, &mut channels, |_| widths.decoder[block]));
        }
        channels += skips[skips.len() - 1];
        let [first, last] = topology::output();
        let first = random.layer(first, channels, widths.output);
        let last = random.layer(last, widths.output, MOUTH_CHANNELS);
        Self { input_size, audio, face, decoder, output: [first, last] }
    }
}

/// A small generator: the same numbers on every machine.
struct Random(u64);

impl Random {
    /// Evenly spread over `-1.0..1.0`.
    ///
    /// # Source
    /// Xorshift64* (Vigna, "An experimental exploration of Marsaglia's xorshift generators").
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40;
        bits as f32 / (1_u64 << 23) as f32 - 1.0
    }

    fn around(&mut self, middle: f32, width: f32, count: usize) -> Vec<f32> {
        (0..count).map(|_| middle + width * self.next()).collect()
    }

    fn chain(
        &mut self,
        forms: &[Form],
        channels: &mut usize,
        outputs: impl Fn(usize) -> usize,
    ) -> Vec<Layer> {
        let layer = |(at, form): (usize, &Form)| {
            let outputs = outputs(at);
            let layer = self.layer(*form, *channels, outputs);
            *channels = outputs;
            layer
        };
        forms.iter().enumerate().map(layer).collect()
    }

    fn layer(&mut self, form: Form, inputs: usize, outputs: usize) -> Layer {
        let taps = form.kernel * form.kernel;
        // How many products make one result.
        let terms = match form.transposed {
            Some(_) => inputs * taps / (form.stride[0] * form.stride[1]),
            None => inputs * taps,
        };
        let reach = if form.residual { 0.7 } else { 2.4 } / (terms.max(1) as f32).sqrt();
        let norm = form.activated.then(|| Norm {
            scale: self.around(1.0, 0.2, outputs),
            shift: self.around(0.0, 0.2, outputs),
            mean: self.around(0.0, 0.2, outputs),
            variance: self.around(1.0, 0.3, outputs),
            epsilon: 1e-5,
        });
        Layer {
            form,
            inputs,
            outputs,
            weight: self.around(0.0, reach, inputs * outputs * taps),
            bias: self.around(0.0, 0.2, outputs),
            norm,
        }
    }
}
