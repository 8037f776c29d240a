//! An ONNX graph to a network: convolutions followed from the mel input and the face input.
//!
//! Names say nothing here; what counts is which node reads what. Weights are constants of the
//! graph, `BatchNorm` may be folded or not. Strict about layers: the compiled graphs are compared
//! with the source's own mouths afterwards, but that would find a difference without its place.

use prost::Message;

use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};

use crate::layer::{Form, Layer};
use crate::network::Network;
use crate::onnx::{Extent, Graph, Model, Node, ValueInfo, within_bounds};
use crate::recognise::{RecognitionError, shape_text};
use crate::topology::{self, FACE_CHANNELS, LARGEST_BATCH, MOUTH_CHANNELS, Topology};

mod nodes;
mod read;
#[cfg(test)]
mod tests;

use nodes::{Nodes, output};
use read::Found;

impl Network {
    /// The network in an ONNX file: an export of Wav2Lip, whatever its names, opset and batch size.
    ///
    /// # Errors
    /// [`RecognitionError`] says what is no ONNX file, or names the first layer that differs.
    pub fn from_onnx(bytes: &[u8]) -> Result<Self, RecognitionError> {
        if !within_bounds(bytes) {
            return Err(RecognitionError::TooManyParts);
        }
        let model = Model::decode(bytes).map_err(RecognitionError::NotOnnx)?;
        let graph = model.graph.unwrap_or_default();
        let (mel, face, size) = inputs(&graph)?;
        let nodes = Nodes::new(&graph);
        let parts = Parts::follow(&nodes, &graph, mel, face)?;
        parts.network(size)
    }
}

/// The names of the mel input and the face input, and the face's size.
fn inputs(graph: &Graph) -> Result<(&str, &str, usize), RecognitionError> {
    let constants: std::collections::HashSet<&str> =
        graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    // Old exports list their weights among the inputs.
    let inputs: Vec<(&str, Vec<Option<usize>>)> = graph
        .input
        .iter()
        .filter(|input| !constants.contains(input.name.as_str()))
        .map(|input| (input.name.as_str(), shape(input)))
        .collect();
    let wrong = |what| RecognitionError::Interface {
        what,
        inputs: if inputs.is_empty() {
            "none".to_owned()
        } else {
            let text = |(name, shape): &(&str, Vec<Option<usize>>)| {
                let axes: Vec<_> = shape
                    .iter()
                    .map(|axis| axis.map_or("?".to_owned(), |axis| axis.to_string()))
                    .collect();
                format!("{name} ({})", axes.join(", "))
            };
            inputs.iter().take(8).map(text).collect::<Vec<_>>().join(", ")
        },
    };
    if inputs.len() != 2 || graph.output.len() != 1 {
        return Err(wrong("it does not have two inputs and one output"));
    }
    let is_mel = |shape: &[Option<usize>]| {
        shape.len() == 4 && shape[1..] == [Some(1), Some(BANDS), Some(WINDOW_STEPS)]
    };
    let face_size = |shape: &[Option<usize>]| match shape {
        [_, Some(FACE_CHANNELS), height, width] if height == width => *height,
        _ => None,
    };
    let mel = inputs.iter().find(|(_, shape)| is_mel(shape));
    let mel = mel.ok_or_else(|| wrong("no input takes mel windows (N, 1, 80, 16)"))?;
    let face = inputs.iter().find_map(|(name, shape)| Some((*name, face_size(shape)?)));
    let (face, size) = face.ok_or_else(|| wrong("no input takes faces (N, 6, size, size)"))?;
    let mouths = shape(&graph.output[0]);
    let axes = inputs.iter().map(|(_, axes)| axes).chain([&mouths]);
    let mut batches = axes.filter_map(|axes| *axes.first()?);
    if let Some(batch) = batches.find(|batch| !(1..=LARGEST_BATCH).contains(batch)) {
        return Err(RecognitionError::Batch { batch });
    }
    Ok((mel.0, face, size))
}

fn shape(input: &ValueInfo) -> Vec<Option<usize>> {
    let tensor = input.kind.as_ref().and_then(|kind| kind.tensor.as_ref());
    let axes = tensor.and_then(|tensor| tensor.shape.as_ref()).map_or(&[][..], |shape| &shape.dim);
    axes.iter()
        .map(|axis| match axis.extent {
            Some(Extent::Value(length)) => usize::try_from(length).ok(),
            _ => None,
        })
        .collect()
}

/// The most blocks of the face encoder that are followed: graphs may go in circles.
const MOST_BLOCKS: usize = 16;

/// The layers as the graph has them.
struct Parts<'graph> {
    face: Vec<Vec<Found<'graph>>>,
    /// The audio encoder with the decoder's first layer.
    audio: Vec<Found<'graph>>,
    decoder: Vec<Vec<Found<'graph>>>,
}

impl<'graph> Parts<'graph> {
    fn follow(
        nodes: &Nodes<'graph>,
        graph: &Graph,
        mel: &str,
        face: &str,
    ) -> Result<Self, RecognitionError> {
        let (mut blocks, mut skips) = (Vec::new(), Vec::new());
        let mut value = nodes.root(face).to_owned();
        while blocks.len() < MOST_BLOCKS {
            let at = format!("face encoder block {}", blocks.len());
            let (block, end) = nodes.chain(&value, &at)?;
            if block.is_empty() {
                break;
            }
            blocks.push(block);
            skips.push(end.clone());
            value = end;
        }
        let (mut audio, mut value) = nodes.chain(nodes.root(mel), "audio encoder")?;
        // Exports may take the speech's vector out of its map and put it back.
        value = nodes.past_reshaping(&value);
        let (own, end) = nodes.chain(&value, "decoder block 0")?;
        audio.extend(own);
        value = end;
        let mut decoder = Vec::new();
        while let Some(skip) = skips.pop() {
            let at = format!("what follows decoder block {}", decoder.len());
            value = joined(nodes, &value, &skip, &at)?;
            let (block, end) =
                nodes.chain(&value, &format!("decoder block {}", decoder.len() + 1))?;
            decoder.push(block);
            value = end;
        }
        let end = nodes.sole_reader(&value).filter(|node| node.op_type == "Sigmoid");
        let mouths = end.and_then(|node| node.output.first());
        if mouths.is_none_or(|name| nodes.root(name) != nodes.root(&graph.output[0].name)) {
            return Err(RecognitionError::Layer {
                at: "the end of the graph".to_owned(),
                expected: "Sigmoid, and then the output".to_owned(),
                found: nodes.readers_text(&value),
            });
        }
        Ok(Self { face: blocks, audio, decoder })
    }

    fn network(mut self, size: usize) -> Result<Network, RecognitionError> {
        let face_count = self.face.len();
        let bottom = self.face.last().map_or(3, |block| block[0].form.kernel);
        let decoder_blocks = self.decoder.len().saturating_sub(1);
        let topology = Topology {
            face_residuals: self.face[..face_count.saturating_sub(1)]
                .iter()
                .map(|block| block.len() - 1)
                .collect(),
            bottom,
            decoder_residuals: self.decoder[..decoder_blocks]
                .iter()
                .map(|block| block.len().saturating_sub(1))
                .collect(),
        };
        let own = topology.input_size();
        if own.is_none() && !topology.face_residuals.is_empty() {
            let halvings = topology.face_residuals.len() - 1;
            return Err(RecognitionError::Size { halvings, bottom });
        }
        if own != Some(size) {
            return Err(RecognitionError::Layer {
                at: "the face encoder".to_owned(),
                expected: format!("one that halves faces of {size} pixels to one place"),
                found: format!("one of {face_count} blocks that ends with {bottom}x{bottom}"),
            });
        }
        let mut channels = FACE_CHANNELS;
        let mut face = Vec::new();
        for (at, (forms, block)) in topology.face().iter().zip(self.face).enumerate() {
            face.push(chain(&format!("face encoder block {at}"), forms, block, &mut channels)?);
        }
        let audio_forms = topology::audio();
        let own = self.audio.split_off(audio_forms.len().min(self.audio.len()));
        let mut channels = 1;
        let audio = chain("audio encoder", &audio_forms, self.audio, &mut channels)?;

        let skips: Vec<usize> =
            face.iter().rev().map(|block| block[block.len() - 1].outputs).collect();
        let output = self.decoder.pop().unwrap_or_default();
        let mut decoder = Vec::new();
        let found = std::iter::once(own).chain(self.decoder);
        for (at, (forms, block)) in topology.decoder().iter().zip(found).enumerate() {
            if at > 0 {
                channels += skips[at - 1];
            }
            decoder.push(chain(&format!("decoder block {at}"), forms, block, &mut channels)?);
        }
        channels += skips[skips.len() - 1];
        let output = chain("output block", &topology::output(), output, &mut channels)?;
        let output: [Layer; 2] = output.try_into().map_err(|_| mouths_differ(channels))?;
        if channels != MOUTH_CHANNELS {
            return Err(mouths_differ(channels));
        }
        Ok(Network { input_size: size, audio, face, decoder, output })
    }
}

fn mouths_differ(channels: usize) -> RecognitionError {
    RecognitionError::Layer {
        at: "the output".to_owned(),
        expected: format!("{MOUTH_CHANNELS} channels"),
        found: format!("{channels}"),
    }
}

/// What `value` and `skip` are joined to, along the channels.
fn joined(
    nodes: &Nodes<'_>,
    value: &str,
    skip: &str,
    at: &str,
) -> Result<String, RecognitionError> {
    let wrong = |found: String| RecognitionError::Layer {
        at: at.to_owned(),
        expected: "Concat with the face encoder's block of the same size, along axis 1".to_owned(),
        found,
    };
    let node = nodes.sole_reader(value).filter(|node| node.op_type == "Concat");
    let node = node.ok_or_else(|| wrong(nodes.readers_text(value)))?;
    let [first, second] = &node.input[..] else {
        return Err(wrong(format!("Concat of {} inputs", node.input.len())));
    };
    if nodes.root(first) != value || nodes.root(second) != skip {
        return Err(wrong("Concat with something else, or in another order".to_owned()));
    }
    if attribute(node, "axis").and_then(|axis| axis.i).is_none_or(|axis| axis != 1 && axis != -3) {
        return Err(wrong("Concat along another axis".to_owned()));
    }
    Ok(output(node).to_owned())
}

/// The layers found, if they are those of `forms`, one after the other.
fn chain(
    part: &str,
    forms: &[Form],
    found: Vec<Found<'_>>,
    channels: &mut usize,
) -> Result<Vec<Layer>, RecognitionError> {
    let count = found.len();
    let mut layers = Vec::with_capacity(forms.len());
    for (at, (form, found)) in forms.iter().zip(found).enumerate() {
        let differs = |expected: String, found: String| RecognitionError::Layer {
            at: format!("{part}, layer {at}"),
            expected,
            found,
        };
        if found.form != *form {
            return Err(differs(form.to_string(), found.form.to_string()));
        }
        let layer = found.layer(part)?;
        if layer.inputs != *channels || (form.residual && layer.outputs != *channels) {
            let shape = shape_text(&layer.weight_shape());
            return Err(differs(
                format!("one of {channels} channels"),
                format!("of shape {shape}"),
            ));
        }
        *channels = layer.outputs;
        layers.push(layer);
    }
    if count != forms.len() {
        return Err(RecognitionError::Layer {
            at: part.to_owned(),
            expected: format!("{} convolutions", forms.len()),
            found: format!("{count}"),
        });
    }
    Ok(layers)
}

/// The attribute of `node` called `name`.
fn attribute<'a>(node: &'a Node, name: &str) -> Option<&'a crate::onnx::Attribute> {
    node.attribute.iter().find(|attribute| attribute.name == name)
}
