//! Exported graphs: which are taken, and what is said of those that are not.

use crate::network::{Network, Widths};
use crate::onnx::{Attribute, Extent, Graph, Node, OnnxGraph, Tensor, data_type};
use crate::recognise::RecognitionError;

fn network() -> Network {
    let widths = Widths {
        face: vec![2, 3, 2, 3, 2, 3],
        audio: [2, 3, 2, 3, 4],
        decoder: vec![3, 2, 3, 2, 3, 2, 3],
        output: 2,
        bottom: 3,
    };
    Network::random(&widths, 5)
}

/// The plain graph after `change`, read again.
fn after(change: impl FnOnce(&mut Graph)) -> Result<Network, RecognitionError> {
    let mut graph = network().plain_graph().model.graph.unwrap();
    change(&mut graph);
    Network::from_onnx(&OnnxGraph::new(graph).into_bytes())
}

fn refusal(change: impl FnOnce(&mut Graph)) -> String {
    after(change).unwrap_err().to_string()
}

/// The node of this operator that comes after `before` others of it.
fn node<'a>(graph: &'a mut Graph, operator: &str, before: usize) -> &'a mut Node {
    graph.node.iter_mut().filter(|node| node.op_type == operator).nth(before).unwrap()
}

fn attribute<'a>(node: &'a mut Node, name: &str) -> &'a mut Attribute {
    node.attribute.iter_mut().find(|attribute| attribute.name == name).unwrap()
}

#[test]
fn another_activation_is_named_with_its_layer() {
    let message = refusal(|graph| node(graph, "Relu", 1).op_type = "LeakyRelu".to_owned());
    assert_eq!(
        message,
        "not a Wav2Lip graph: face encoder block 1, layer 0 is one before LeakyRelu; \
         expected is a layer before ReLU"
    );
    let message = refusal(|graph| node(graph, "Relu", 40).op_type = "PRelu".to_owned());
    assert!(message.contains("decoder block") && message.contains("PRelu"), "{message}");
}

#[test]
fn another_stride_is_named_with_its_layer() {
    let message = refusal(|graph| {
        let face_layers = 18;
        attribute(node(graph, "Conv", face_layers + 3), "strides").ints = vec![2, 1];
    });
    assert_eq!(
        message,
        "not a Wav2Lip graph: audio encoder, layer 3 is a convolution 3x3, stride 2x1, padding 1, \
         ReLU; expected is a convolution 3x3, stride 3x1, padding 1, ReLU"
    );
}

#[test]
fn a_residual_layer_without_its_input_is_named() {
    let message = refusal(|graph| {
        let add = node(graph, "Add", 0);
        add.input[1] = add.input[0].clone();
    });
    assert!(message.ends_with("something else added; expected is its input added"), "{message}");
    assert!(message.contains("face encoder block 1, layer 1 is"), "{message}");
}

#[test]
fn skips_joined_in_another_order_are_refused() {
    let message = refusal(|graph| node(graph, "Concat", 2).input.swap(0, 1));
    assert!(message.contains("what follows decoder block 2 is Concat"), "{message}");
    let message = refusal(|graph| attribute(node(graph, "Concat", 0), "axis").i = Some(0));
    assert!(message.contains("Concat along another axis"), "{message}");
}

#[test]
fn special_convolutions_are_refused() {
    for (name, values, found) in [
        ("pads", vec![0, 0, 1, 1], "one with pads [0, 0, 1, 1]"),
        ("strides", vec![2], "one with strides [2]"),
        ("strides", vec![-1, 1], "one with strides [-1, 1]"),
        ("kernel_shape", vec![5, 5], "one whose kernel has another size than its weight"),
    ] {
        let message =
            refusal(|graph| attribute(node(graph, "Conv", 4), name).ints.clone_from(&values));
        assert!(message.contains(found), "{message}");
    }
}

#[test]
fn another_interface_is_refused_with_its_inputs() {
    let message = refusal(|graph| {
        axes(graph, 0)[2].extent = Some(Extent::Value(128));
    });
    assert_eq!(
        message,
        "not a Wav2Lip graph: no input takes mel windows (N, 1, 80, 16); its inputs are \
         mel (?, 1, 128, 16), face (?, 6, 96, 96)"
    );
}

/// The axes of the graph's `input`th input.
fn axes(graph: &mut Graph, input: usize) -> &mut [crate::onnx::Dimension] {
    let kind = graph.input[input].kind.as_mut().unwrap().tensor.as_mut().unwrap();
    &mut kind.shape.as_mut().unwrap().dim
}

#[test]
fn a_fixed_batch_that_is_none_or_too_large_is_refused_by_number() {
    for input in [0, 1] {
        let fixed =
            |batch| after(move |graph| axes(graph, input)[0].extent = Some(Extent::Value(batch)));
        assert!(fixed(1).unwrap() == network());
        assert!(fixed(256).unwrap() == network());
        for batch in [0, 257, i64::MAX] {
            assert_eq!(
                fixed(batch).unwrap_err().to_string(),
                format!("the ONNX graph has the fixed batch size {batch}; supported are 1 to 256")
            );
        }
    }
}

#[test]
fn faces_too_small_to_paste_are_refused_by_size() {
    let widths =
        Widths { face: vec![2], audio: [2, 3, 2, 3, 4], decoder: vec![3, 2], output: 2, bottom: 4 };
    let mut graph = Network::random(&widths, 5).plain_graph().model.graph.unwrap();
    for axis in &mut axes(&mut graph, 1)[2..] {
        axis.extent = Some(Extent::Value(3));
    }
    let bottom = node(&mut graph, "Conv", 1);
    attribute(bottom, "kernel_shape").ints = vec![3, 3];
    let weight = bottom.input[1].clone();
    let weight = graph.initializer.iter_mut().find(|tensor| tensor.name == weight).unwrap();
    weight.dims = vec![2, 2, 3, 3];
    assert_eq!(
        Network::from_onnx(&OnnxGraph::new(graph).into_bytes()).unwrap_err().to_string(),
        "its layers halve a face 0 times down to 3 pixels; supported are faces of 4 to 1024 pixels"
    );
}

#[test]
fn weights_that_are_elsewhere_quantised_or_damaged_are_refused() {
    let of_first =
        |change: fn(&mut Tensor)| refusal(move |graph| change(&mut graph.initializer[0]));
    let message = of_first(|tensor| tensor.data_location = 1);
    assert!(message.contains("constant_0: its values lie in another file"), "{message}");
    let message = of_first(|tensor| tensor.data_type = data_type::INT64);
    assert!(message.contains("a quantised model cannot be compiled"), "{message}");
    let message = of_first(|tensor| tensor.raw_data.truncate(40));
    assert!(message.contains("not as many values as its shape has places"), "{message}");
    let message = of_first(|tensor| tensor.dims = vec![i64::MAX, i64::MAX, 7, 7]);
    assert!(message.contains("not as many values as its shape has places"), "{message}");
    let message = of_first(|tensor| tensor.raw_data[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    assert_eq!(message, "constant_0[0] is NaN: the weights are damaged");
    let message = refusal(|graph| drop(graph.initializer.remove(0)));
    assert!(message.contains("one whose weights are computed"), "{message}");
}

#[test]
fn circles_come_to_an_end() {
    let message = refusal(|graph| {
        // The first convolution reads its own result, which a Concat reads too.
        let relu = node(graph, "Relu", 0).output[0].clone();
        node(graph, "Conv", 0).input[0].clone_from(&relu);
        node(graph, "Conv", 1).input[0] = "face".to_owned();
    });
    assert!(message.starts_with("not a Wav2Lip graph"), "{message}");
}

#[test]
fn other_ways_to_write_the_same_graph_are_read() {
    let network = network();
    let with_identities = after(|graph| {
        let renamed = graph.node[0].output[0].clone();
        graph.node[1].input[0] = "again".to_owned();
        graph.node.push(Node {
            op_type: "Identity".to_owned(),
            input: vec![renamed],
            output: vec!["again".to_owned()],
            ..Node::default()
        });
    });
    assert!(with_identities.unwrap() == network);
    let with_constant_nodes = after(|graph| {
        let tensor = graph.initializer.remove(3);
        graph.node.push(Node {
            op_type: "Constant".to_owned(),
            output: vec![tensor.name.clone()],
            attribute: vec![Attribute {
                name: "value".to_owned(),
                t: Some(tensor),
                ..Attribute::default()
            }],
            ..Node::default()
        });
    });
    assert!(with_constant_nodes.unwrap() == network);
    let with_inputs_the_other_way_round = after(|graph| graph.input.swap(0, 1));
    assert!(with_inputs_the_other_way_round.unwrap() == network);
    let with_unpacked_floats = after(|graph| {
        for tensor in &mut graph.initializer {
            let bytes = std::mem::take(&mut tensor.raw_data);
            let floats = bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
            tensor.float_data = floats.collect();
        }
    });
    assert!(with_unpacked_floats.unwrap() == network);
}
