//! Graphs run by themselves.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use duolip_onnx::graph::{Given, Save, Taken};
use duolip_onnx::{Graph, GraphError, GraphSettings};

use super::{chain, in_crate, runtime};

const LEAN: GraphSettings =
    GraphSettings { threads: NonZeroUsize::new(2).unwrap(), save: Save::Memory };

fn file(name: &str) -> PathBuf {
    in_crate("tests/fixtures").join(name)
}

fn graph(name: &str) -> Graph {
    Graph::from_file(&file(name), LEAN, runtime()).unwrap()
}

/// `count` values that differ from one another, in 0..1.
fn values(count: usize) -> Vec<f32> {
    (0..count).map(|at| (at as f32 * 0.37).sin() * 0.5 + 0.5).collect()
}

/// The largest difference between two tensors.
fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// What the split graphs `face_name` and `mouth_name` make of `mel` and `face` of 32 px.
fn split(face_name: &str, mouth_name: &str, mel: Given<'_>, face: &[f32]) -> Taken {
    let given = Given { name: "face", shape: &[1, 6, 32, 32], values: face };
    let features = graph(face_name).run(&[given]).unwrap();
    let given: Vec<_> = features.iter().map(Taken::given).chain([mel]).collect();
    graph(mouth_name).run(&given).unwrap().remove(0)
}

#[test]
fn split_graphs_give_the_whole_graphs_pixels() {
    let (mel, face) = (values(2 * 80 * 16), values(6 * 32 * 32));
    let mel = Given { name: "mel", shape: &[2, 1, 80, 16], values: &mel };
    let faces = [face.clone(), face.clone()].concat();
    let faces = Given { name: "input.1", shape: &[2, 6, 32, 32], values: &faces };
    let whole =
        graph("blend_fixed_batch.onnx").run(&[Given { name: "input.7", ..mel }, faces]).unwrap();
    assert_eq!((whole[0].name.as_str(), &whole[0].shape[..]), ("1234", &[2, 3, 32, 32][..]));
    let rows = whole[0].values.chunks(32).enumerate();
    let painted_rows = rows.filter(|(row, _)| row % 32 >= 15);
    let cut: Vec<f32> = painted_rows.flat_map(|(_, row)| &row[2..29]).copied().collect();
    let painted = split("blend_face.onnx", "blend_mouth.onnx", mel, &face);
    assert_eq!(painted.shape, [2, 3, 17, 27]);
    assert!(apart(&painted.values, &cut) == 0.0);
    let painted = split("blend_face_fp16.onnx", "blend_mouth_fp16.onnx", mel, &face);
    let apart = apart(&painted.values, &cut);
    // Three roundings to 11 bits, of sums up to 1.125.
    assert!(apart > 0.0 && apart < 2e-3, "{apart}");
}

#[test]
fn a_graph_out_of_memory_is_the_graph_out_of_the_file() {
    let bytes = fs::read(file("blend.onnx")).unwrap();
    let settings = GraphSettings { save: Save::Time, ..LEAN };
    let mut loaded = Graph::from_bytes("the new graph", &bytes, settings, runtime()).unwrap();
    drop(bytes);
    let (mel, faces) = (values(80 * 16), values(6 * 8 * 8));
    let given = [
        Given { name: "mel", shape: &[1, 1, 80, 16], values: &mel },
        Given { name: "faces", shape: &[1, 6, 8, 8], values: &faces },
    ];
    assert_eq!(loaded.run(&given).unwrap(), graph("blend.onnx").run(&given).unwrap());
    let names: Vec<_> = loaded.inputs().iter().map(|port| port.name.as_str()).collect();
    assert_eq!((names, loaded.outputs().len()), (vec!["mel", "faces"], 1));
}

#[test]
fn what_is_no_graph_is_refused_by_name() {
    let error = Graph::from_bytes("the new graph", b"not a graph", LEAN, runtime()).unwrap_err();
    assert!(matches!(error, GraphError::Load { .. }));
    assert_eq!(error.to_string(), "the new graph could not be loaded");
    let error = Graph::from_file(Path::new("/nowhere/x.onnx"), LEAN, runtime()).unwrap_err();
    assert!(chain(&error).contains("/nowhere/x.onnx could not be loaded: "), "{}", chain(&error));
}

#[test]
fn a_wrong_tensor_is_refused_by_graph_and_name() {
    let mut graph = graph("blend_face.onnx");
    let face = values(6 * 32 * 32);
    let mut refused = |inputs: &[Given<'_>]| graph.run(inputs).unwrap_err();
    let name = file("blend_face.onnx").display().to_string();
    let error = refused(&[]).to_string();
    assert_eq!(error, format!("{name} takes face Tensor<f32>(m, 6, 32, 32), which was not given"));
    let good = Given { name: "face", shape: &[1, 6, 32, 32], values: &face };
    let error = refused(&[good, Given { name: "mel", ..good }]).to_string();
    assert_eq!(error, format!("{name} takes no mel; it takes face"));
    let error = refused(&[Given { shape: &[2, 6, 32, 32], ..good }]).to_string();
    assert_eq!(error, format!("face for {name} has the shape [2, 6, 32, 32] and 6144 values"));
    let error = refused(&[Given { shape: &[usize::MAX, 6, 32, 32], ..good }]);
    assert!(matches!(error, GraphError::OtherCount { .. }), "{error:?}");
    // The graph's own check.
    let error = refused(&[Given { shape: &[1, 3, 64, 32], ..good }]);
    assert!(matches!(error, GraphError::Run { .. }), "{error:?}");
    assert!(graph.run(&[good]).is_ok());
}
