//! Tensors by name, as a checkpoint's `state_dict` has them, to a network.
//!
//! Widths, residual layers and the number of halvings are read from the tensors; everything else is
//! compared with Wav2Lip. What has no tensors cannot be seen here: a network with the same tensors
//! and another activation than `ReLU` is taken for Wav2Lip.
//!
//! # Source
//! Names: Wav2Lip `models/wav2lip.py` and `models/conv.py`.

use std::collections::{BTreeMap, BTreeSet};

use duolip_checkpoint::{StateDict, Tensor};

use crate::layer::{Form, Layer, Norm};
use crate::network::Network;
use crate::recognise::{RecognitionError, ShapePattern, finite, variance};
use crate::topology::{self, FACE_CHANNELS, MOUTH_CHANNELS, Topology};

/// `BatchNorm2d`'s default, which Wav2Lip leaves as it is and no checkpoint stores.
const EPSILON: f32 = 1e-5;

/// A tensor of f32, row-major.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

impl Network {
    /// The network in a checkpoint's `state`. The values are copied.
    ///
    /// # Errors
    /// [`RecognitionError`] names the first tensor that differs from Wav2Lip's.
    pub fn from_state_dict(state: &StateDict) -> Result<Self, RecognitionError> {
        let tensor = |(name, tensor)| -> (&str, &[usize], &[f32]) {
            let (name, tensor): (&String, &Tensor) = (name, tensor);
            (name, &tensor.shape, &tensor.values)
        };
        Self::from_tensors(state.iter().map(tensor))
    }

    /// The network whose tensors these are: name, shape and row-major values of each. The values
    /// are copied.
    ///
    /// # Errors
    /// [`RecognitionError`] names the first tensor that differs from Wav2Lip's.
    pub fn from_tensors<'a>(
        tensors: impl IntoIterator<Item = (&'a str, &'a [usize], &'a [f32])>,
    ) -> Result<Self, RecognitionError> {
        let tensors: BTreeMap<&str, View<'_>> = tensors
            .into_iter()
            .map(|(name, shape, values)| (name, View { shape, values }))
            .collect();
        Walk { tensors, met: BTreeSet::new() }.network()
    }
}

struct Walk<'a> {
    tensors: BTreeMap<&'a str, View<'a>>,
    /// The names that have a place in the network.
    met: BTreeSet<String>,
}

impl<'a> Walk<'a> {
    fn network(mut self) -> Result<Network, RecognitionError> {
        self.well_named()?;
        let topology = self.topology();
        let size = RecognitionError::Size {
            halvings: topology.face_residuals.len().saturating_sub(1),
            bottom: topology.bottom,
        };
        let mut channels = FACE_CHANNELS;
        let face = self.blocks("face_encoder_blocks", &topology.face(), &mut channels, &[])?;
        let input_size = topology.input_size().ok_or(size)?;

        let mut channels = 1;
        let audio = self.chain("audio_encoder", &topology::audio(), &mut channels)?;

        // The skips from the bottom up, joined to the decoder's blocks after the first.
        let skips: Vec<usize> =
            face.iter().rev().filter_map(|block| block.last()).map(|last| last.outputs).collect();
        let decoder =
            self.blocks("face_decoder_blocks", &topology.decoder(), &mut channels, &skips)?;
        channels += skips.last().copied().unwrap_or_default();

        let [first, last] = topology::output();
        let first = self.layer("output_block.0.conv_block", first, channels, None)?;
        let last = self.layer("output_block.1", last, first.outputs, Some(MOUTH_CHANNELS))?;
        self.nothing_left()?;
        Ok(Network { input_size, audio, face, decoder, output: [first, last] })
    }

    /// Refuses names that no layer of Wav2Lip has, before shapes are looked at: they say best what
    /// kind of network it is.
    fn well_named(&self) -> Result<(), RecognitionError> {
        // Another network altogether is better told by what it lacks.
        if !self.tensors.contains_key("face_encoder_blocks.0.0.conv_block.0.weight") {
            return Ok(());
        }
        let stray = self.tensors.iter().find(|(name, _)| {
            !(name.contains(".conv_block.0.")
                || name.contains(".conv_block.1.")
                || name.starts_with("output_block.1."))
        });
        stray.map_or(Ok(()), |(name, view)| Err(unexpected(name, *view)))
    }

    /// As many blocks and residual layers as there are names, and the bottom's kernel.
    fn topology(&self) -> Topology {
        let layers = |part: &str, block: usize| {
            (0..self.tensors.len())
                .take_while(|layer| {
                    let name = format!("{part}.{block}.{layer}.conv_block.0.weight");
                    self.tensors.contains_key(name.as_str())
                })
                .count()
        };
        let counts = |part: &str| -> Vec<usize> {
            (0..self.tensors.len())
                .map(|block| layers(part, block))
                .take_while(|&count| count > 0)
                .collect()
        };
        // Fewer than two blocks are no encoder; asking for them says which tensor is missing.
        let mut face = counts("face_encoder_blocks");
        let last = face.len().saturating_sub(1);
        face.truncate(last.max(1));
        face.resize(face.len().max(1), 1);
        let bottom = format!("face_encoder_blocks.{}.0.conv_block.0.weight", face.len());
        let bottom = self.tensors.get(bottom.as_str()).and_then(|view| view.shape.last().copied());
        // The decoder has a block for each of the encoder's.
        let decoder = (1..=face.len()).map(|block| layers("face_decoder_blocks", block));
        Topology {
            decoder_residuals: decoder.map(|count| count.saturating_sub(1)).collect(),
            face_residuals: face.into_iter().map(|count| count - 1).collect(),
            bottom: bottom
                .filter(|kernel| (1..=*topology::SIZES.end()).contains(kernel))
                .unwrap_or(3),
        }
    }

    /// Blocks of layers; to the input of every block but the first come the channels of a skip.
    fn blocks(
        &mut self,
        part: &str,
        blocks: &[Vec<Form>],
        channels: &mut usize,
        skips: &[usize],
    ) -> Result<Vec<Vec<Layer>>, RecognitionError> {
        let mut all = Vec::with_capacity(blocks.len());
        for (at, forms) in blocks.iter().enumerate() {
            if let Some(skip) = at.checked_sub(1).and_then(|before| skips.get(before)) {
                *channels += skip;
            }
            all.push(self.chain(&format!("{part}.{at}"), forms, channels)?);
        }
        Ok(all)
    }

    fn chain(
        &mut self,
        part: &str,
        forms: &[Form],
        channels: &mut usize,
    ) -> Result<Vec<Layer>, RecognitionError> {
        let mut layers = Vec::with_capacity(forms.len());
        for (at, &form) in forms.iter().enumerate() {
            let outputs = form.residual.then_some(*channels);
            let layer = self.layer(&format!("{part}.{at}.conv_block"), form, *channels, outputs)?;
            *channels = layer.outputs;
            layers.push(layer);
        }
        Ok(layers)
    }

    /// The layer whose tensors' names begin with `name`, from `inputs` channels to `outputs`, or to
    /// as many as its weight has.
    fn layer(
        &mut self,
        name: &str,
        form: Form,
        inputs: usize,
        outputs: Option<usize>,
    ) -> Result<Layer, RecognitionError> {
        let convolution = if form.activated { format!("{name}.0") } else { name.to_owned() };
        let (first, second) = match form.transposed {
            Some(_) => (Some(inputs), outputs),
            None => (outputs, Some(inputs)),
        };
        let kernel = Some(form.kernel);
        let weight =
            self.tensor(&format!("{convolution}.weight"), [first, second, kernel, kernel])?;
        let outputs = weight.shape[usize::from(form.transposed.is_some())];
        let bias = self.tensor(&format!("{convolution}.bias"), [Some(outputs)])?;
        let (weight, bias) = (weight.values.to_vec(), bias.values.to_vec());
        let norm = form.activated.then(|| self.norm(&format!("{name}.1"), outputs)).transpose()?;
        Ok(Layer { form, inputs, outputs, weight, bias, norm })
    }

    fn norm(&mut self, name: &str, channels: usize) -> Result<Norm, RecognitionError> {
        let mut numbers = |part: &str| {
            let view = self.tensor(&format!("{name}.{part}"), [Some(channels)])?;
            Ok::<_, RecognitionError>(view.values.to_vec())
        };
        let norm = Norm {
            scale: numbers("weight")?,
            shift: numbers("bias")?,
            mean: numbers("running_mean")?,
            variance: numbers("running_var")?,
            epsilon: EPSILON,
        };
        variance(&format!("{name}.running_var"), &norm.variance)?;
        // How many batches were seen in training: of no use, and not in every checkpoint.
        self.met.insert(format!("{name}.num_batches_tracked"));
        Ok(norm)
    }

    fn tensor(
        &mut self,
        name: &str,
        expected: impl Into<Vec<Option<usize>>>,
    ) -> Result<View<'a>, RecognitionError> {
        let expected = ShapePattern(expected.into());
        let tensor = name.to_owned();
        let Some(&view) = self.tensors.get(name) else {
            return Err(RecognitionError::Missing { tensor, expected });
        };
        if !expected.fits(view.shape) || view.values.len() != view.shape.iter().product::<usize>() {
            let found = view.shape.to_vec();
            return Err(RecognitionError::Shape { tensor, expected, found });
        }
        // A free axis of no channels would leave nothing to compute.
        if view.values.is_empty() {
            let found = view.shape.to_vec();
            return Err(RecognitionError::Shape { tensor, expected, found });
        }
        finite(name, view.values)?;
        self.met.insert(tensor);
        Ok(view)
    }

    fn nothing_left(&self) -> Result<(), RecognitionError> {
        let left = self.tensors.iter().find(|(name, _)| !self.met.contains(**name));
        left.map_or(Ok(()), |(name, view)| Err(unexpected(name, *view)))
    }
}

fn unexpected(name: &str, view: View<'_>) -> RecognitionError {
    RecognitionError::Unexpected { tensor: name.to_owned(), found: view.shape.to_vec() }
}
