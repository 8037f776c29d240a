//! Chunks that wait for nobody: a slow model, chunks of unlike work and a busy queue hold up only
//! what is theirs. All of it is an order of events; no clock decides.

use std::sync::Arc;

use duolip_pipeline::lipsync::{JobTicket, LipSync, Look, MouthBatch};
use duolip_pipeline::mel::WINDOW_VALUES;
use duolip_testkit::wait::until;
use duolip_testkit::{Event, FakeLipSync, Gate};

use crate::scene::Scene;

/// The scene of `seconds`, painted by the pair in `chunks`; the model of `look` is held by the gate.
fn held(look: Look, gate: &Gate, seconds: usize, chunks: i64) -> Scene {
    let models = Look::PAIR.map(|other| {
        let model = FakeLipSync::new(other);
        if other == look { model.held_by(gate) } else { model }
    });
    Scene::of_seconds(seconds).painted_by(models).in_chunks(chunks)
}

/// Renders `scene`, and does `meanwhile` on a thread of its own.
fn render_beside(scene: &Scene, meanwhile: impl FnOnce() + Send) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    std::thread::scope(|scope| {
        let meanwhile = scope.spawn(meanwhile);
        let video = runtime.block_on(scene.show());
        meanwhile.join().unwrap();
        assert_eq!(video.frames, scene.recorder.frame_hashes());
    });
}

#[test]
fn a_chunk_is_finished_while_the_model_of_its_neighbour_stands_still() {
    let gate = Gate::default();
    let scene = held(Look::Nogan, &gate, 8, 2);
    let nogan = Arc::clone(&scene.models[1]);
    render_beside(&scene, || {
        // Two batches of chunk 1 and what chunk 0 fades into: that much is asked for at once.
        until("the slow model is asked three times", || nogan.submitted() == 3);
        gate.allow(3);
        until("chunk 0 is finished", || scene.encoder.finished() == [0]);
        // Chunk 1 has had two batches of its four seconds and has asked for the next two.
        until("the slow model is asked five times", || nogan.submitted() == 5);
        gate.open();
    });
    assert_eq!(scene.encoder.finished(), [0, 1]);
}

/// The GAN model has two chunks and the NOGAN model one.
#[test]
fn a_chunk_is_finished_while_a_model_with_twice_the_work_has_hardly_begun() {
    let gate = Gate::default();
    let scene = held(Look::Gan, &gate, 9, 3);
    let gan = Arc::clone(&scene.models[0]);
    render_beside(&scene, || {
        // Two batches each of chunks 0 and 2, and both fades of chunk 1.
        until("the busy model is asked six times", || gan.submitted() == 6);
        gate.allow(6);
        until("chunk 1 is finished", || scene.encoder.finished() == [1]);
        gate.open();
    });
    assert_eq!(scene.encoder.finished()[0], 1);
}

#[test]
fn a_chunk_gets_as_far_as_it_can_while_another_job_fills_the_queue_of_its_neighbours_model() {
    let gate = Gate::default();
    let scene = held(Look::Nogan, &gate, 8, 2);
    let job = JobTicket::new();
    let others: Vec<_> = (0..50)
        .map(|_| {
            let face = Arc::clone(&scene.avatar.crops[0]);
            let mel_windows = vec![0.0; 4 * WINDOW_VALUES];
            scene.models[1].submit(MouthBatch { job, mel_windows, face }).unwrap()
        })
        .collect();
    render_beside(&scene, || {
        let composed = |wanted: usize| {
            let is_wanted = |event: &Event| matches!(event, Event::Composed(frame) if frame.chunk == 0 && frame.frame == wanted);
            scene.recorder.events().iter().any(is_wanted)
        };
        until("the plan is made", || !scene.recorder.events().is_empty());
        // All but the frames in which the neighbour's model is mixed in.
        let last = scene.recorder.plan()[0].fades[0].frames.start - 1;
        until("chunk 0 is composed up to its fade", || composed(last));
        assert_eq!(scene.encoder.finished(), []);
        gate.open();
    });
    assert!(others.into_iter().all(|mouths| mouths.wait().is_ok()));
}
