//! Compiled graphs paint what the plain graph paints.

use duolip_compiler::{Network, OnnxGraph, Precision, Widths};
use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::FaceBox;

use crate::runtime::{Array, Loaded};
use crate::scene::{
    mel_windows, narrow, one_face, paint_chain, paint_compiled, paint_plain, part, rectangle,
};

/// Compiled and plain graphs add the same products in another order.
const TOLERANCE: f32 = 1e-5;

fn plain_bytes(network: &Network) -> Vec<u8> {
    network.plain_graph().into_bytes()
}

/// Asserts that painting `rectangles` gives those parts of the plain graph's mouths.
fn assert_exact(network: &Network, count: usize, rectangles: &[FaceBox]) {
    let (mel, face) = (mel_windows(count), one_face(network.input_size()));
    let whole = paint_plain(&plain_bytes(network), &mel, &face);
    assert_telling(&whole);
    for &painted in rectangles {
        let mouths = paint_compiled(network, painted, Precision::F32, &mel, &face);
        let difference = mouths.difference(&part(&whole, painted));
        assert!(difference <= TOLERANCE, "{painted:?}: {difference}");
        let graphs = network.compile(painted, Precision::F32).unwrap();
        let chain = paint_chain(graphs, &mel, &face, 1, count);
        let difference = chain.difference(&part(&whole, painted));
        assert!(difference <= TOLERANCE, "{painted:?}, as a chain: {difference}");
    }
}

/// Mouths that are all alike would equal any others.
fn assert_telling(mouths: &Array) {
    let least = mouths.values.iter().copied().fold(1.0, f32::min);
    let most = mouths.values.iter().copied().fold(0.0, f32::max);
    assert!(most - least > 0.2, "{least}..{most}");
    let one = mouths.values.len() / mouths.shape[0];
    for (at, mouth) in mouths.values.chunks(one).enumerate().skip(1) {
        assert!(mouth != &mouths.values[..one], "mouth {at} is the first again");
    }
}

#[test]
fn any_rectangle_is_painted_as_the_plain_graph_paints_it() {
    let rectangles = [
        rectangle(0..96, 0..96),
        Paste::Parity.painted_pixels(96),
        Paste::Feathered.painted_pixels(96),
        rectangle(52..92, 16..79),
        rectangle(0..1, 0..1),
        rectangle(95..96, 95..96),
        rectangle(47..48, 0..96),
        rectangle(0..96, 33..34),
        rectangle(1..50, 3..95),
        rectangle(31..62, 64..65),
        rectangle(11..95, 1..2),
    ];
    assert_exact(&narrow(96), 2, &rectangles);
}

#[test]
fn every_batch_size_is_painted() {
    let network = narrow(96);
    for count in [1, 3, 16] {
        assert_exact(&network, count, &[Paste::Feathered.painted_pixels(96)]);
    }
}

#[test]
fn larger_faces_with_more_halvings_or_a_larger_bottom_are_painted() {
    for size in [192, 256, 288, 384] {
        let rectangles = [Paste::Parity, Paste::Feathered].map(|paste| paste.painted_pixels(size));
        assert_exact(&narrow(size), 1, &rectangles);
    }
}

#[test]
fn the_smallest_face_is_painted() {
    assert_exact(&narrow(4), 2, &[rectangle(0..4, 0..4), rectangle(2..4, 1..3)]);
}

#[test]
fn a_mouth_is_the_same_to_the_bit_in_whatever_batch_and_with_however_many_threads() {
    let network = Network::random(
        &Widths {
            face: vec![8, 16, 32, 64, 64, 128],
            audio: [16, 32, 64, 128, 128],
            decoder: vec![128, 128, 128, 96, 64, 32, 16],
            output: 16,
            bottom: 3,
        },
        11,
    );
    let graphs = network.compile(Paste::Feathered.painted_pixels(96), Precision::F32).unwrap();
    let features =
        Loaded::new(&graphs.face_encoder.into_bytes(), 2).run(&[("face", &one_face(96))]);
    let generator = graphs.mouth_generator.into_bytes();
    let mel = mel_windows(8);
    let mut first: Option<Vec<f32>> = None;
    for threads in [1, 2] {
        let mut generator = Loaded::new(&generator, threads);
        for batch in [8, 1, 3, 5] {
            let mut all = Vec::new();
            for windows in mel.values.chunks(batch * 80 * 16) {
                let shape = vec![windows.len() / (80 * 16), 1, 80, 16];
                let windows = Array { shape, values: windows.to_vec() };
                let mut inputs = vec![("mel", &windows)];
                inputs.extend(features.iter().map(|(name, value)| (name.as_str(), value)));
                all.extend(generator.run(&inputs).remove(0).1.values);
            }
            let first = first.get_or_insert_with(|| all.clone());
            assert!(*first == all, "batches of {batch} on {threads} threads");
        }
    }
    let (mel, face) = (mel_windows(8), one_face(96));
    let chain = |threads, batch| {
        let painted = Paste::Feathered.painted_pixels(96);
        let graphs = network.compile(painted, Precision::F32).unwrap();
        paint_chain(graphs, &mel, &face, threads, batch)
    };
    let together = chain(1, 8);
    for (threads, batch) in [(1, 1), (1, 3), (2, 8), (3, 5)] {
        assert!(chain(threads, batch) == together, "batches of {batch} on {threads} threads");
    }
}

#[test]
fn half_precision_paints_nearly_the_same() {
    let network = narrow(96);
    let (mel, face) = (mel_windows(2), one_face(96));
    let whole = paint_plain(&plain_bytes(&network), &mel, &face);
    for painted in [Paste::Parity, Paste::Feathered].map(|paste| paste.painted_pixels(96)) {
        let mouths = paint_compiled(&network, painted, Precision::F16, &mel, &face);
        let difference = mouths.difference(&part(&whole, painted));
        // A 16-bit float has 11 bits; some of the error of 36 layers comes through.
        assert!(difference <= 0.01, "{painted:?}: {difference}");
        assert!(difference > 0.0, "it has not been in 16 bits");
    }
}

#[test]
fn features_in_half_precision_take_half_the_memory() {
    let network = narrow(96);
    let painted = Paste::Feathered.painted_pixels(96);
    let full = network.compile(painted, Precision::F32).unwrap();
    let half = network.compile(painted, Precision::F16).unwrap();
    let features = Loaded::new(&full.face_encoder.into_bytes(), 1).run(&[("face", &one_face(96))]);
    let numbers: usize = features.iter().map(|(_, feature)| feature.values.len()).sum();
    assert_eq!(full.feature_bytes, numbers * 4);
    assert_eq!(half.feature_bytes, numbers * 2);
}

#[test]
fn one_face_encoder_run_serves_many_avatar_frames() {
    let network = narrow(96);
    let graphs = network.compile(Paste::Feathered.painted_pixels(96), Precision::F32).unwrap();
    let mut encoder = Loaded::new(&graphs.face_encoder.into_bytes(), 1);
    let faces = Array::random(&[3, 6, 96, 96], 3, 0.0, 1.0);
    let together = encoder.run(&[("face", &faces)]);
    let last =
        Array { shape: vec![1, 6, 96, 96], values: faces.values[2 * 6 * 96 * 96..].to_vec() };
    for ((name, all), (_, one)) in together.iter().zip(encoder.run(&[("face", &last)])) {
        assert!(all.values.ends_with(&one.values), "{name}");
    }
}

#[test]
fn the_published_widths_have_the_published_numbers() {
    let network = Network::random(&Widths::default(), 1);
    assert_eq!(network.parameters(), 36_298_035);
    assert_eq!(network.multiply_adds(), 3_966_984_192);
    let work =
        |paste: Paste| network.compile(paste.painted_pixels(96), Precision::F32).unwrap().work;
    // 1.88 and 2.08 times less than the plain graph.
    assert_eq!(work(Paste::Parity).mouth_generator, 2_115_117_056);
    assert_eq!(work(Paste::Feathered).mouth_generator, 1_904_787_200);
    assert_eq!(work(Paste::Parity).plain, 3_966_984_192);
}

#[test]
fn a_network_of_published_width_is_written_with_little_more_memory_than_its_weights() {
    let network = Network::random(&Widths::default(), 1);
    for precision in [Precision::F32, Precision::F16] {
        let graphs = network.compile(Paste::Feathered.painted_pixels(96), precision).unwrap();
        let mut written = Counter(0);
        let expected = graphs.face_encoder.size_bytes() + graphs.mouth_generator.size_bytes();
        graphs.face_encoder.write_to(&mut written).unwrap();
        graphs.mouth_generator.write_to(&mut written).unwrap();
        assert_eq!(written.0, expected);
    }
    // 145 MB of weights, 145 MB of graphs and one tensor of 19 MB in its three forms.
    let peak = peak_memory_kib();
    assert!(peak < 450 * 1024, "{peak} KiB");
}

/// Counts what is written.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The most memory this process has had.
fn peak_memory_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_graph_written_in_pieces_is_the_one_in_memory() {
    let graph: OnnxGraph = narrow(96).plain_graph();
    let mut written = Vec::new();
    graph.clone().write_to(&mut written).unwrap();
    assert_eq!(written.len(), graph.size_bytes());
    assert!(written == graph.into_bytes());
}

#[test]
fn a_rectangle_that_is_empty_or_leaves_the_picture_is_refused() {
    let network = narrow(96);
    for painted in [rectangle(48..48, 0..96), rectangle(0..97, 0..96), rectangle(0..96, 90..97)] {
        let error = network.compile(painted, Precision::F32).unwrap_err().to_string();
        let FaceBox { left, top, right, bottom } = painted;
        assert_eq!(
            error,
            format!(
                "rows {top}..{bottom} and columns {left}..{right} cannot be painted: \
                 they are to be a part of a picture of 96 x 96 pixels"
            )
        );
    }
}
