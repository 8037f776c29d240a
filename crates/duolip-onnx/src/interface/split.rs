//! The interface of the split graphs: a face encoder and the mouth generator that takes its
//! features.
//!
//! The compiler of checkpoints writes them; here nothing is taken on trust.

use std::path::Path;

use duolip_pipeline::face::FaceBox;

use super::{Element, Port, Ports, check_size, faces_size, takes_mel};
use crate::model::{GraphKind, ModelError, SplitFiles};
use crate::tensors::MOUTH_CHANNELS;

/// What the face encoder gives and the mouth generator takes under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Feature {
    pub(crate) name: String,
    element: Element,
    /// For one face: channels, rows, columns.
    pub(crate) shape: [usize; 3],
}

impl Feature {
    /// What `port` is, if it is a feature of one face or of any number.
    fn from_port(port: &Port) -> Option<Self> {
        match port.shape[..] {
            [None | Some(1), Some(channels), Some(rows), Some(columns)] => Some(Self {
                name: port.name.clone(),
                element: port.element?,
                shape: [channels, rows, columns],
            }),
            _ => None,
        }
    }

    /// The bytes of one face's.
    fn bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.element.bytes()
    }
}

/// How the split graphs fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitInterface {
    /// Width and height of faces, in pixels.
    pub(crate) input_size: usize,
    /// The encoder's input: `(M, 6, S, S)`.
    pub(crate) face: String,
    /// In the encoder's order.
    pub(crate) features: Vec<Feature>,
    /// The generator's input beside the features: `(N, 1, 80, 16)`.
    pub(crate) mel: String,
    /// The generator's output: `(N, 3, rows, columns)` of the painted rectangle.
    pub(crate) mouths: String,
    /// The pixels that it paints.
    pub(crate) painted: FaceBox,
}

impl SplitInterface {
    /// Recognises faces `(M, 6, S, S)` in, features `(M, C, h, w)` out; mel windows
    /// `(N, 1, 80, 16)` and the features `(1, C, h, w)` in, mouths `(N, 3, rows, columns)` out, as
    /// large as `painted`. M and N are open; features are f32 or f16, everything else is f32.
    ///
    /// # Errors
    /// [`ModelError::WrongInterface`], which lists what the graph has; [`ModelError::FaceSize`];
    /// [`ModelError::OtherRectangle`].
    pub(crate) fn recognise(
        files: &SplitFiles,
        encoder: &Ports,
        generator: &Ports,
        painted: FaceBox,
    ) -> Result<Self, ModelError> {
        let (face, input_size, features) = encoded(&files.face_encoder, encoder)?;
        let (mel, mouths) = generated(&files.mouth_generator, generator, &features)?;
        let actual = (mouths.shape[2], mouths.shape[3]);
        if actual != (Some(painted.height()), Some(painted.width())) {
            return Err(ModelError::OtherRectangle {
                file: files.mouth_generator.clone(),
                painted,
                mouths: Box::new(mouths.clone()),
            });
        }
        let (mel, mouths) = (mel.name.clone(), mouths.name.clone());
        Ok(Self { input_size, face, features, mel, mouths, painted })
    }

    /// What is kept of one face.
    pub(crate) fn feature_bytes(&self) -> usize {
        self.features.iter().map(Feature::bytes).sum()
    }
}

/// The encoder's input, the size of its faces and its features.
fn encoded(file: &Path, ports: &Ports) -> Result<(String, usize, Vec<Feature>), ModelError> {
    let wrong = |what: String| ports.wrong(file, GraphKind::FaceEncoder, what);
    let [face] = &ports.inputs[..] else {
        return Err(wrong("it does not have one input".to_owned()));
    };
    let input_size = faces_size(face)
        .filter(|_| matches!(face.shape[0], None | Some(1)))
        .ok_or_else(|| wrong("its input is not faces of one size".to_owned()))?;
    check_size(file, input_size)?;
    let features = ports.outputs.iter().map(|port| {
        Feature::from_port(port).ok_or_else(|| wrong(format!("{port} is not a feature")))
    });
    Ok((face.name.clone(), input_size, features.collect::<Result<_, _>>()?))
}

/// The generator's mel input and its output.
fn generated<'a>(
    file: &Path,
    ports: &'a Ports,
    features: &[Feature],
) -> Result<(&'a Port, &'a Port), ModelError> {
    let wrong = |what: String| ports.wrong(file, GraphKind::MouthGenerator, what);
    for feature in features {
        let input = ports
            .inputs
            .iter()
            .find(|port| port.name == feature.name)
            .ok_or_else(|| wrong(format!("it does not take {}", feature.name)))?;
        if Feature::from_port(input).as_ref() != Some(feature) {
            let ([channels, rows, columns], element) = (feature.shape, feature.element);
            return Err(wrong(format!(
                "{} comes from the face encoder as (1, {channels}, {rows}, {columns}) {element:?}",
                feature.name
            )));
        }
    }
    let is_feature = |port: &&Port| features.iter().any(|feature| feature.name == port.name);
    let mut others = ports.inputs.iter().filter(|port| !is_feature(port));
    let (Some(mel), None) = (others.next(), others.next()) else {
        return Err(wrong("it does not have one input beside the features".to_owned()));
    };
    if !takes_mel(mel) || mel.shape[0].is_some() {
        return Err(wrong(format!("{} does not take mel windows in any number", mel.name)));
    }
    match &ports.outputs[..] {
        [mouths]
            if mouths.is_f32()
                && matches!(mouths.shape[..], [None, Some(MOUTH_CHANNELS), Some(_), Some(_)]) =>
        {
            Ok((mel, mouths))
        }
        _ => Err(wrong("its output is not mouths in any number".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, element: Element, axes: &[i64]) -> Port {
        let kind = format!("Tensor<{element:?}>{axes:?}");
        let shape = axes.iter().map(|&axis| usize::try_from(axis).ok()).collect();
        Port { name: name.to_owned(), kind, element: Some(element), shape }
    }

    fn encoder() -> Ports {
        Ports {
            inputs: vec![port("face", Element::F32, &[-1, 6, 96, 96])],
            outputs: vec![
                port("feature_0", Element::F16, &[-1, 512, 1, 1]),
                port("feature_1", Element::F32, &[-1, 64, 45, 84]),
            ],
        }
    }

    fn generator() -> Ports {
        Ports {
            inputs: vec![
                port("feature_1", Element::F32, &[1, 64, 45, 84]),
                port("mel", Element::F32, &[-1, 1, 80, 16]),
                port("feature_0", Element::F16, &[1, 512, 1, 1]),
            ],
            outputs: vec![port("mouths", Element::F32, &[-1, 3, 45, 72])],
        }
    }

    const PAINTED: FaceBox = FaceBox { left: 12, top: 50, right: 84, bottom: 95 };

    fn recognise(encoder: &Ports, generator: &Ports) -> Result<SplitInterface, ModelError> {
        let files = SplitFiles { face_encoder: "e.onnx".into(), mouth_generator: "g.onnx".into() };
        SplitInterface::recognise(&files, encoder, generator, PAINTED)
    }

    #[test]
    fn features_are_matched_by_name_and_their_bytes_counted() {
        let interface = recognise(&encoder(), &generator()).unwrap();
        assert_eq!((interface.input_size, interface.mel.as_str()), (96, "mel"));
        assert_eq!(interface.features[1].name, "feature_1");
        assert_eq!(interface.feature_bytes(), 512 * 2 + 64 * 45 * 84 * 4);
    }

    #[test]
    fn a_generator_that_paints_another_rectangle_is_refused_with_both() {
        let mut generator = generator();
        generator.outputs[0] = port("mouths", Element::F32, &[-1, 3, 48, 96]);
        let error = recognise(&encoder(), &generator).unwrap_err().to_string();
        assert_eq!(
            error,
            "g.onnx gives mouths Tensor<F32>[-1, 3, 48, 96]; its manifest says that it paints rows \
             50..95 and columns 12..84, which are 45x72 pixels"
        );
    }

    #[test]
    fn an_encoder_of_faces_too_small_to_paste_or_too_large_is_refused_by_size() {
        for size in [3, 1025] {
            let mut encoder = encoder();
            encoder.inputs[0] = port("face", Element::F32, &[-1, 6, size, size]);
            assert_eq!(
                recognise(&encoder, &generator()).unwrap_err().to_string(),
                format!("e.onnx takes faces of {size} px; supported are 4 to 1024 px")
            );
        }
    }

    #[test]
    fn every_other_encoder_is_refused_with_what_it_has() {
        let face = |axes: &[i64]| port("face", Element::F32, axes);
        let feature = |axes: &[i64]| port("feature_0", Element::F32, axes);
        let good = encoder();
        let cases = [
            (vec![], good.outputs.clone(), "it does not have one input"),
            (vec![face(&[-1, 6, 96, 48])], good.outputs.clone(), "not faces of one size"),
            (vec![face(&[4, 6, 96, 96])], good.outputs.clone(), "not faces of one size"),
            (good.inputs.clone(), vec![feature(&[-1, 512])], "feature_0 Tensor<F32>[-1, 512] is"),
            (good.inputs.clone(), vec![feature(&[-1, 512, -1, 1])], "is not a feature"),
            (good.inputs.clone(), vec![feature(&[2, 512, 1, 1])], "is not a feature"),
        ];
        for (inputs, outputs, what) in cases {
            let error =
                recognise(&Ports { inputs, outputs }, &generator()).unwrap_err().to_string();
            assert!(error.starts_with("e.onnx is not a face encoder: "), "{error}");
            assert!(error.contains(what), "{what:?} is not in {error:?}");
        }
    }

    #[test]
    fn every_other_generator_is_refused_with_what_it_has() {
        let changed = |change: fn(&mut Ports)| {
            let mut generator = generator();
            change(&mut generator);
            let error = recognise(&encoder(), &generator).unwrap_err().to_string();
            assert!(error.starts_with("g.onnx is not a mouth generator: "), "{error}");
            error
        };
        let said = [
            (changed(|ports| drop(ports.inputs.remove(0))), "it does not take feature_1"),
            (
                changed(|ports| ports.inputs[0].shape[3] = Some(96)),
                "feature_1 comes from the face encoder as (1, 64, 45, 84) F32",
            ),
            (
                changed(|ports| ports.inputs[2].element = Some(Element::F32)),
                "feature_0 comes from the face encoder as (1, 512, 1, 1) F16",
            ),
            (changed(|ports| drop(ports.inputs.remove(1))), "one input beside the features"),
            (
                changed(|ports| ports.inputs.push(ports.inputs[1].clone())),
                "one input beside the features",
            ),
            (changed(|ports| ports.inputs[1].shape[0] = Some(8)), "mel windows in any number"),
            (changed(|ports| ports.inputs[1].shape[2] = Some(64)), "mel windows in any number"),
            (changed(|ports| ports.outputs[0].shape[1] = Some(1)), "mouths in any number"),
            (changed(|ports| ports.outputs[0].shape[0] = Some(8)), "mouths in any number"),
            (changed(|ports| ports.outputs.clear()), "mouths in any number"),
        ];
        for (error, what) in said {
            assert!(error.contains(what), "{what:?} is not in {error:?}");
        }
    }
}
