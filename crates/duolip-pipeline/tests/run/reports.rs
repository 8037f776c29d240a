//! What a job tells while it runs and when it is done.

use std::time::Duration;

use duolip_pipeline::statistics::{ChunkStatistics, Statistics};
use duolip_testkit::Event;

use crate::scene::Scene;

#[tokio::test]
async fn the_observer_is_told_the_plan_first_and_every_frame_once() {
    let scene = Scene::of_seconds(6).painted_by_the_pair().in_chunks(3);
    scene.show().await;
    let events = scene.recorder.events();
    assert!(matches!(&events[0], Event::Planned(chunks) if chunks.len() == 3));
    let plan = scene.recorder.plan();
    assert_eq!(scene.recorder.frames().len(), 150);
    for chunk in &plan {
        // Each chunk's frames come in order, whatever the others do meanwhile.
        let seen: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::Composed(frame) if frame.chunk == chunk.index => Some(frame.frame),
                _ => None,
            })
            .collect();
        assert_eq!(seen, chunk.frames.clone().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_jobs_parts_take_no_longer_than_the_whole() {
    let scene = Scene::of_seconds(4).painted_by_the_pair().in_chunks(2);
    let statistics = scene.render().await.unwrap().statistics;
    assert_eq!((statistics.frames, statistics.chunks.len()), (100, 2));
    for chunk in &statistics.chunks {
        let parts = chunk.lip_sync + chunk.compose + chunk.encode;
        assert!(parts <= chunk.render && chunk.render <= statistics.render);
        assert!(!chunk.compose.is_zero() && !chunk.encode.is_zero());
    }
    let stages =
        [statistics.speak, statistics.mel, statistics.plan, statistics.render, statistics.concat];
    assert!(stages.iter().sum::<Duration>() <= statistics.total);
    assert!(statistics.encode_speech <= statistics.total);
}

#[test]
fn the_speed_up_is_the_chunks_work_over_their_wall_time() {
    let mut statistics = masked(Statistics {
        speech_seconds: 2.0,
        frames: 50,
        frame_rate: duolip_pipeline::units::FrameRate::DEFAULT,
        speak: Duration::ZERO,
        mel: Duration::ZERO,
        plan: Duration::ZERO,
        render: Duration::ZERO,
        encode_speech: Duration::ZERO,
        chunks: Vec::new(),
        concat: Duration::ZERO,
        total: Duration::ZERO,
    });
    let chunk = |index, work: Duration| ChunkStatistics {
        index,
        look: duolip_pipeline::lipsync::Look::Gan,
        moved: None,
        frames: 0..25,
        render: Duration::from_secs(4),
        lip_sync: work / 2,
        compose: work / 4,
        encode: work / 4,
    };
    statistics.chunks = vec![chunk(0, Duration::from_secs(3)), chunk(1, Duration::from_secs(2))];
    statistics.render = Duration::from_secs(4);
    statistics.total = Duration::from_secs(5);
    // Tolerance: rounding of an f64.
    assert!((statistics.speedup() - 1.25).abs() < 1e-12);
    assert!((statistics.real_time_factor() - 2.5).abs() < 1e-12);
    statistics.render = Duration::ZERO;
    assert!((statistics.speedup() - 1.0).abs() < 1e-12, "nothing measured");
}

/// The same statistics, as if every stage had taken the same time.
fn masked(statistics: Statistics) -> Statistics {
    let time = Duration::from_millis(80);
    let chunks = statistics.chunks.into_iter().map(|chunk| ChunkStatistics {
        render: time,
        lip_sync: time,
        compose: time,
        encode: time,
        ..chunk
    });
    Statistics {
        speak: time,
        mel: time,
        plan: time,
        render: time,
        encode_speech: time,
        chunks: chunks.collect(),
        concat: time,
        total: time,
        ..statistics
    }
}

#[tokio::test]
async fn the_statistics_name_every_chunk_and_stage() {
    let scene = Scene::of_seconds(8).painted_by_the_pair().in_chunks(3);
    let statistics = masked(scene.render().await.unwrap().statistics);
    let text = statistics.to_string();
    insta::assert_snapshot!(text, @r"
      speech             80.0 ms  8.000 s of speech
      mel                80.0 ms
      plan               80.0 ms  200 frames at 25 fps
      chunk 0            80.0 ms  gan   frames 0..71 (0.00..2.84 s): lip-sync 80, compose 80, encode 80 ms
      chunk 1            80.0 ms  nogan frames 71..127 (2.84..5.08 s): lip-sync 80, compose 80, encode 80 ms
      chunk 2            80.0 ms  gan   frames 127..200 (5.08..8.00 s): lip-sync 80, compose 80, encode 80 ms
      render             80.0 ms  all chunks, wall time
      encode speech      80.0 ms  beside the chunks
      concat             80.0 ms
      total              80.0 ms
      real-time factor 0.010, measured speed-up 9.00
    ");
}
