//! Networks from ONNX graphs.

use std::path::PathBuf;

use duolip_compiler::{Network, Precision};
use duolip_pipeline::compose::Paste;

use crate::runtime::Loaded;
use crate::scene::{mel_windows, narrow, one_face, paint_compiled, part, repeated};

#[test]
fn the_demo_pair_compiles_and_paints_what_its_source_paints() {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../models/demo");
    for look in ["gan", "nogan"] {
        let source = std::fs::read(models.join(look).join("lipsync.onnx")).unwrap();
        let network = Network::from_onnx(&source).unwrap();
        assert_eq!(network.input_size(), 96);
        let (mel, face) = (mel_windows(3), one_face(96));
        let faces = repeated(&face, 3);
        let inputs = [("mel_spectrogram", &mel), ("video_frames", &faces)];
        let whole = Loaded::new(&source, 2).run(&inputs).remove(0).1;
        for painted in [Paste::Parity, Paste::Feathered].map(|paste| paste.painted_pixels(96)) {
            let mouths = paint_compiled(&network, painted, Precision::F32, &mel, &face);
            let difference = mouths.difference(&part(&whole, painted));
            // The same products, added in another order.
            assert!(difference <= 2e-5, "{look}, {painted:?}: {difference}");
        }
    }
}

#[test]
fn a_graph_with_batch_norm_comes_back_as_the_network_it_was_written_from() {
    for size in [4, 96, 192, 256, 288, 384] {
        let network = narrow(size);
        let again = Network::from_onnx(&network.plain_graph().into_bytes()).unwrap();
        assert!(again == network, "{size}");
    }
}
