//! The network as it was, and the imported one, run on the same random inputs.

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duolip_onnx::chain::Crew;
use duolip_onnx::graph::{Given, Graph, GraphError, GraphSettings, Save, Taken};
use duolip_onnx::{Chain, OnnxRuntime, Port};
use duolip_pipeline::face::FaceBox;
use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};

/// Mouths that are compared, where the source does not fix their number.
const MOUTHS: usize = 3;

/// Channels of the face input and of a mouth.
const CHANNELS: [usize; 2] = [6, 3];

/// What the source paints, and on which inputs.
pub(super) struct Reference {
    size: usize,
    count: usize,
    mel: Vec<f32>,
    face: Vec<f32>,
    mouths: Vec<f32>,
}

impl Reference {
    /// Runs the whole graph in `file`, whose faces have `size`.
    pub(super) fn run(
        file: &Path,
        size: usize,
        runtime: &'static OnnxRuntime,
    ) -> Result<Self, GraphError> {
        let mut graph = Graph::from_file(file, settings(), runtime)?;
        let channels = |port: &Port| port.shape.get(1).copied().flatten();
        let named = |channel: usize| {
            let port = graph.inputs().iter().find(|port| channels(port) == Some(channel));
            port.map(|port| port.name.clone()).unwrap_or_default()
        };
        let (mel_name, face_name) = (named(1), named(CHANNELS[0]));
        let fixed = graph.inputs().iter().find_map(|port| port.shape.first().copied().flatten());
        let count = fixed.unwrap_or(MOUTHS);
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let mel: Vec<f32> =
            (0..count * BANDS * WINDOW_STEPS).map(|_| random.next() * 8.0 - 4.0).collect();
        let face: Vec<f32> = (0..CHANNELS[0] * size * size).map(|_| random.next()).collect();
        let faces = face.repeat(count);
        let mouths = graph.run(&[
            Given { name: &mel_name, shape: &[count, 1, BANDS, WINDOW_STEPS], values: &mel },
            Given { name: &face_name, shape: &[count, CHANNELS[0], size, size], values: &faces },
        ])?;
        let mouths = mouths.into_iter().next().map(|taken| taken.values).unwrap_or_default();
        Ok(Self { size, count, mel, face, mouths })
    }

    /// The largest difference of the split graphs' mouths, inside `painted`: of ONNX Runtime's, and of
    /// those that sessions paint without it.
    pub(super) fn difference(
        &self,
        [face_encoder, mouth_generator]: &[PathBuf; 2],
        painted: FaceBox,
        runtime: &'static OnnxRuntime,
    ) -> Result<f32, GraphError> {
        let face_shape = [1, CHANNELS[0], self.size, self.size];
        let face = Given { name: "face", shape: &face_shape, values: &self.face };
        let features = Graph::from_file(face_encoder, settings(), runtime)?.run(&[face])?;
        let mel_shape = [self.count, 1, BANDS, WINDOW_STEPS];
        let mut inputs = vec![Given { name: "mel", shape: &mel_shape, values: &self.mel }];
        inputs.extend(features.iter().map(Taken::given));
        let mouths = Graph::from_file(mouth_generator, settings(), runtime)?.run(&inputs)?;
        let mouths = mouths.into_iter().next().map(|taken| taken.values).unwrap_or_default();
        let expected = self.painted_values(painted);
        let difference = largest_difference(&expected, &mouths);
        match self.chain(mouth_generator, &features)? {
            Some(mouths) => Ok(difference.max(largest_difference(&expected, &mouths))),
            None => Ok(difference),
        }
    }

    /// What sessions on the CPU paint with the graph in `mouth_generator`, where they do so without
    /// ONNX Runtime.
    fn chain(
        &self,
        mouth_generator: &Path,
        features: &[Taken],
    ) -> Result<Option<Vec<f32>>, GraphError> {
        let failed = |source: Box<dyn Error + Send + Sync>| GraphError::Chain {
            graph: mouth_generator.display().to_string(),
            source,
        };
        let crew = Crew::new(settings().threads, settings().threads)
            .map_err(|error| failed(error.into()))?;
        let mut chain = match Chain::from_file(mouth_generator, Arc::new(crew)) {
            Ok(chain) => chain,
            Err(reason) if reason.is_for_onnx_runtime() => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        };
        let named = |name: &str| {
            features.iter().find(|taken| taken.name == name).map(|taken| &taken.values[..])
        };
        let features = chain.features(named).map_err(|error| failed(error.into()))?;
        let mouths = chain.paint(&features, &self.mel).map_err(|error| failed(error.into()))?;
        Ok(Some(mouths.to_vec()))
    }

    /// The reference's values in `painted`, in the order of the split graphs' mouths.
    fn painted_values(&self, painted: FaceBox) -> Vec<f32> {
        let rows = move |plane: usize| {
            (painted.top..painted.bottom).map(move |row| (plane * self.size + row) * self.size)
        };
        (0..self.count * CHANNELS[1])
            .flat_map(rows)
            .flat_map(move |row| &self.mouths[row + painted.left..row + painted.right])
            .copied()
            .collect()
    }
}

/// The largest difference of any two values; infinite where one is no number or has no partner.
fn largest_difference(expected: &[f32], actual: &[f32]) -> f32 {
    if expected.len() != actual.len() || expected.is_empty() {
        return f32::INFINITY;
    }
    let differences = expected.iter().zip(actual).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, |worst, difference| match difference {
        difference if difference.is_nan() => f32::INFINITY,
        difference => difference.max(worst),
    })
}

fn settings() -> GraphSettings {
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    GraphSettings { threads, save: Save::Memory }
}

/// A small generator: every import is compared on the same inputs.
struct Random(u64);

impl Random {
    /// Evenly spread over 0..1.
    fn next(&mut self) -> f32 {
        // Knuth's multiplier for linear congruences modulo 2^64; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_difference_is_found_wherever_it_is() {
        let expected = [0.5, 0.25, 1.0];
        for (at, actual) in
            [[0.75, 0.25, 1.0], [0.5, 0.5, 1.0], [0.5, 0.25, 0.75]].iter().enumerate()
        {
            let difference = largest_difference(&expected, actual);
            assert!((difference - 0.25).abs() < 1e-6, "{at}: {difference}");
        }
        assert!(largest_difference(&expected, &expected) < f32::MIN_POSITIVE);
    }

    #[test]
    fn what_is_no_number_or_is_missing_is_no_small_difference() {
        let expected = [0.5, 0.25, 1.0];
        for at in 0..3 {
            for bad in [f32::NAN, f32::INFINITY] {
                let mut actual = expected;
                actual[at] = bad;
                assert!(largest_difference(&expected, &actual).is_infinite());
                assert!(largest_difference(&actual, &expected).is_infinite());
            }
        }
        assert!(largest_difference(&expected, &expected[..2]).is_infinite());
        assert!(largest_difference(&[], &[]).is_infinite());
    }
}
