//! The contract of a lip-sync model, on real ONNX Runtime.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use duolip_onnx::chain::Crew;
use duolip_onnx::{ExecutionProvider, LipSyncModel, LipSyncSession, OnnxRuntime, SessionSettings};
use duolip_pipeline::compose::Paste;
use duolip_pipeline::lipsync::{LipSync, Look};
use duolip_pipeline::units::FrameRate;
use duolip_testkit::{avatar, contract};

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn check(model: &Path, look: Look, batch_size: usize) {
    let runtime = OnnxRuntime::load(&[in_crate("../../target/onnxruntime")]).unwrap();
    let settings = SessionSettings {
        provider: ExecutionProvider::Cpu,
        intra_threads: NonZeroUsize::new(2).unwrap(),
        crew: Crew::of_one().into(),
        batch_size: NonZeroUsize::new(batch_size).unwrap(),
        paste: Paste::Feathered,
        feature_limit_bytes: 4 << 20,
    };
    let model = LipSyncModel::open(model, look).unwrap();
    let session = LipSyncSession::new(model, settings, runtime).unwrap();
    let avatar = avatar(FrameRate::DEFAULT, &[session.input_size()]);
    contract::lip_sync(&session, &Arc::clone(&avatar.crops[0]));
}

#[test]
fn a_session_keeps_the_contract_whatever_its_graph_and_batch_size() {
    for (graph, batch_size) in
        [("blend.onnx", 1), ("blend.onnx", 5), ("blend_fixed_batch.onnx", 5), ("layers.onnx", 3)]
    {
        check(&in_crate("tests/fixtures").join(graph), Look::Gan, batch_size);
    }
}

#[test]
fn the_demo_pair_keeps_the_contract() {
    for look in Look::PAIR {
        check(&in_crate("../../models/demo").join(look.name()), look, 4);
    }
}
