//! Networks, inputs and rectangles that several tests share.

use std::num::NonZeroUsize;

use duolip_compiler::{MouthLayers, Network, Precision, SplitGraphs, Widths};
use duolip_pipeline::face::FaceBox;
use duolip_winograd::{Crew, MouthGenerator};

use crate::runtime::{Array, Loaded};

/// A network of `size` pixels with few channels, no two widths next to each other alike.
pub(crate) fn narrow(size: usize) -> Network {
    let (bottom, halvings) = match size {
        4 => (4, 0),
        96 => (3, 5),
        192 => (3, 6),
        256 => (4, 6),
        288 => (9, 5),
        384 => (6, 6),
        other => panic!("no network of {other} pixels"),
    };
    let face: Vec<usize> = (0..=halvings).map(|block| 3 + block).collect();
    let decoder: Vec<usize> = (0..=halvings + 1).map(|block| 12 - block).collect();
    let widths = Widths { face, audio: [3, 4, 5, 6, 9], decoder, output: 5, bottom };
    let network = Network::random(&widths, 11);
    assert_eq!(network.input_size(), size);
    network
}

pub(crate) fn rectangle(rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> FaceBox {
    FaceBox { left: columns.start, top: rows.start, right: columns.end, bottom: rows.end }
}

pub(crate) fn mel_windows(count: usize) -> Array {
    Array::random(&[count, 1, 80, 16], 5, -4.0, 4.0)
}

pub(crate) fn one_face(size: usize) -> Array {
    Array::random(&[1, 6, size, size], 3, 0.0, 1.0)
}

/// The same face once for each of `count` mel windows.
pub(crate) fn repeated(face: &Array, count: usize) -> Array {
    let mut shape = face.shape.clone();
    shape[0] = count;
    Array { shape, values: face.values.repeat(count) }
}

/// What a graph with inputs `mel` and `face` paints.
pub(crate) fn paint_plain(graph: &[u8], mel: &Array, face: &Array) -> Array {
    let faces = repeated(face, mel.shape[0]);
    Loaded::new(graph, 2).run(&[("mel", mel), ("face", &faces)]).remove(0).1
}

/// What the split graphs paint.
pub(crate) fn paint_split(graphs: SplitGraphs, mel: &Array, face: &Array) -> Array {
    let mut encoder = Loaded::new(&graphs.face_encoder.into_bytes(), 2);
    let features = encoder.run(&[("face", face)]);
    assert_eq!(features.len(), graphs.feature_count);
    let mut inputs = vec![("mel", mel)];
    inputs.extend(features.iter().map(|(name, feature)| (name.as_str(), feature)));
    let mut outputs = Loaded::new(&graphs.mouth_generator.into_bytes(), 2).run(&inputs);
    assert_eq!(outputs.len(), 1);
    let (name, mouths) = outputs.remove(0);
    assert_eq!(name, "mouths");
    mouths
}

/// What the mouth generator paints as a chain of layers, on `threads`, `batch` mouths at a time.
pub(crate) fn paint_chain(
    graphs: SplitGraphs,
    mel: &Array,
    face: &Array,
    threads: usize,
    batch: usize,
) -> Array {
    let features = Loaded::new(&graphs.face_encoder.into_bytes(), 2).run(&[("face", face)]);
    let layers = MouthLayers::read(&graphs.mouth_generator.into_bytes()).unwrap();
    let by_name = |name: &String| features.iter().find(|(found, _)| found == name).unwrap();
    let planes: Vec<&[f32]> =
        layers.inputs[1..].iter().map(|(name, _)| &by_name(name).1.values[..]).collect();
    let mut shape: Vec<usize> = layers.mouths.1.iter().map(|axis| axis.unwrap_or(0)).collect();
    shape[0] = mel.shape[0];
    let mouth: usize = shape[1..].iter().product();
    let window = layers.window;
    let threads = NonZeroUsize::new(threads).unwrap();
    let crew = Crew::new(threads, threads).unwrap();
    let mut generator = MouthGenerator::new(window, layers.into_layers(), crew.into());
    let features = generator.features(&planes);
    let mut values = vec![f32::NAN; shape[0] * mouth];
    let windows = mel.values.chunks(batch * window.iter().product::<usize>());
    for (windows, mouths) in windows.zip(values.chunks_mut(batch * mouth)) {
        generator.paint(&features, windows, mouths).unwrap();
    }
    Array { shape, values }
}

/// What `network`, compiled, paints.
pub(crate) fn paint_compiled(
    network: &Network,
    painted: FaceBox,
    precision: Precision,
    mel: &Array,
    face: &Array,
) -> Array {
    paint_split(network.compile(painted, precision).unwrap(), mel, face)
}

/// The part `painted` of whole mouths.
pub(crate) fn part(mouths: &Array, painted: FaceBox) -> Array {
    mouths.cropped(painted.top..painted.bottom, painted.left..painted.right)
}
