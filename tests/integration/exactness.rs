//! The result never depends on how it was made: frames, duration, seams.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};

use duolip_pipeline::CancellationToken;
use duolip_pipeline::chunk::Chunk;
use duolip_pipeline::job::JobRequest;
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::Observer;
use duolip_service::engine::Engine;

use crate::media::{Probe, wav};
use crate::server::Folders;

/// A hash of every frame before encoding, and the plan.
#[derive(Default)]
struct Recorder {
    frames: Mutex<BTreeMap<usize, u64>>,
    chunks: Mutex<Vec<Chunk>>,
}

impl Observer for Recorder {
    fn planned(&self, chunks: &[Chunk]) {
        *self.chunks.lock().unwrap() = chunks.to_vec();
    }

    fn composed(&self, _chunk: usize, frame: usize, planes: &[u8]) {
        let mut hasher = DefaultHasher::new();
        planes.hash(&mut hasher);
        let twice = self.frames.lock().unwrap().insert(frame, hasher.finish());
        assert_eq!(twice, None, "frame {frame} was composed twice");
    }
}

async fn render(
    engine: &Engine,
    audio: Vec<u8>,
    models: &[Look],
    num_workers: Option<i64>,
) -> (Probe, BTreeMap<usize, u64>, Vec<Chunk>) {
    let recorder = Arc::new(Recorder::default());
    let request = JobRequest {
        audio: Some(audio),
        avatar: "anna".into(),
        models: models.to_vec(),
        num_workers,
        ..JobRequest::default()
    };
    let place = engine.place().unwrap();
    let outcome = engine.render(request, &place, recorder.clone()).await.unwrap();
    let frames = recorder.frames.lock().unwrap().clone();
    let chunks = recorder.chunks.lock().unwrap().clone();
    (Probe::file(&outcome.video.path), frames, chunks)
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_the_same_for_any_number_of_workers_and_differ_between_models_only_by_plan() {
    let folders = Folders::new();
    let engine =
        Engine::build(folders.config(&[]), &Look::PAIR, &CancellationToken::new()).unwrap();
    let audio = wav(16_000 * 6 + 123, 16_000);
    let (_, gan, _) = render(&engine, audio.clone(), &[Look::Gan], Some(1)).await;
    assert_eq!(gan.len(), 151);
    let distinct: std::collections::BTreeSet<_> = gan.values().collect();
    assert!(distinct.len() > 50, "only {} different frames: does the mouth move?", distinct.len());
    for workers in [2, 3, 5] {
        let (probe, frames, chunks) =
            render(&engine, audio.clone(), &[Look::Gan], Some(workers)).await;
        assert_eq!(chunks.len(), workers as usize);
        assert!(frames == gan, "{workers} workers gave other frames than one");
        probe.assert_exact(16_000 * 6 + 123, 16_000);
    }

    let (_, nogan, _) = render(&engine, audio.clone(), &[Look::Nogan], Some(1)).await;
    let (probe, both, chunks) = render(&engine, audio, &Look::PAIR, Some(3)).await;
    probe.assert_exact(16_000 * 6 + 123, 16_000);
    for chunk in &chunks {
        let alone = if chunk.look == Look::Gan { &gan } else { &nogan };
        for frame in chunk.frames.clone() {
            let faded = chunk.fades.iter().any(|fade| fade.frames.contains(&frame));
            let same = both[&frame] == alone[&frame];
            assert!(same || faded, "frame {frame} is not the {} model's own", chunk.look);
        }
        assert!(!chunk.fades.is_empty(), "chunk {} fades into no neighbour", chunk.index);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_duration_gives_its_ceiling_of_frames_and_the_whole_speech() {
    let folders = Folders::new();
    let engine =
        Engine::build(folders.config(&[]), &Look::PAIR, &CancellationToken::new()).unwrap();
    for (samples, hz) in [
        (1, 16_000),
        (640, 16_000),
        (641, 16_000),
        (800, 16_000),
        (3_007, 16_000),
        (11_025, 22_050),
        (44_100, 44_100),
        (48_000 * 2 + 1, 48_000),
        (8_000 * 3 - 1, 8_000),
        (24_000 * 12 + 17, 24_000),
    ] {
        let (probe, frames, chunks) = render(&engine, wav(samples, hz), &Look::PAIR, None).await;
        probe.assert_exact(samples, hz);
        assert_eq!(frames.len(), probe.packet_times.len());
        assert_eq!(chunks.len(), if samples / hz as usize >= 10 { 2 } else { 1 });
    }
}
