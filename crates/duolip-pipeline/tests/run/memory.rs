//! Models without memory for even one mouth: the job fails, or goes on with the other model where
//! that is allowed.

use duolip_pipeline::lipsync::Look;
use duolip_pipeline::{ErrorKind, Stage};
use duolip_testkit::{ComposedFrame, FakeLipSync, LipSyncTrouble, Recorder};

use crate::scene::Scene;

const STARVES: LipSyncTrouble = LipSyncTrouble::OutOfMemory;

/// Four seconds in two chunks; the NOGAN model starves from its batch number `batch` on.
fn starving_from(batch: usize) -> Scene {
    let nogan = FakeLipSync::new(Look::Nogan).in_trouble_from(batch, STARVES);
    Scene::of_seconds(4)
        .painted_by([FakeLipSync::new(Look::Gan), nogan])
        .in_chunks(2)
        .watched_by(Recorder::keeping_planes())
}

/// The frames of those four seconds when all are painted by `look`.
async fn painted_by(look: Look) -> Vec<ComposedFrame> {
    let scene = Scene::of_seconds(4)
        .painted_by([FakeLipSync::new(look)])
        .in_chunks(2)
        .watched_by(Recorder::keeping_planes());
    scene.show().await;
    scene.recorder.frames()
}

#[tokio::test]
async fn unless_it_is_allowed_the_job_fails_as_out_of_memory() {
    let error = starving_from(0).fail().await;
    assert_eq!((error.stage(), error.kind()), (Stage::LipSync, ErrorKind::GpuOutOfMemory));
}

#[tokio::test]
async fn a_model_that_cannot_even_begin_is_replaced_by_the_other_and_nothing_is_faded() {
    let scene = starving_from(0).moving_when_out_of_memory();
    let statistics = scene.render().await.unwrap().statistics;
    let (gan, frames) = (painted_by(Look::Gan).await, scene.recorder.frames());
    assert!(frames.iter().zip(&gan).all(|(frame, gan)| frame.planes == gan.planes));
    let [first, second] = &statistics.chunks[..] else {
        panic!("{} chunks", statistics.chunks.len());
    };
    assert_eq!((first.look, first.moved), (Look::Gan, None));
    assert_eq!((second.look, second.moved), (Look::Nogan, Some((Look::Gan, second.frames.start))));
    let said = format!("; gan from frame {}: nogan had no memory left", second.frames.start);
    assert!(statistics.to_string().contains(&said), "{statistics}");
}

#[tokio::test]
async fn a_chunk_in_the_middle_keeps_what_is_painted_and_goes_on_with_the_other_model() {
    let scene = starving_from(5).moving_when_out_of_memory();
    let statistics = scene.render().await.unwrap().statistics;
    let alone = [painted_by(Look::Gan).await, painted_by(Look::Nogan).await];
    let frames = scene.recorder.frames();
    let chunk = &statistics.chunks[1];
    let (look, first) = chunk.moved.unwrap();
    assert_eq!(look, Look::Gan);
    // Four or five batches of four, as the fade of chunk 0 came before or after the trouble; the
    // mouth at rest is one of them.
    assert!([15, 19].contains(&(first - chunk.frames.start)), "from {first}");
    let faded = scene.recorder.plan()[1].fades[0].frames.end;
    for frame in faded..first {
        assert!(frames[frame].planes == alone[1][frame].planes, "frame {frame} is nogan's");
    }
    for frame in first..chunk.frames.end {
        assert!(frames[frame].planes == alone[0][frame].planes, "frame {frame} is gan's");
    }
    assert!(alone[0].iter().zip(&alone[1]).all(|(gan, nogan)| gan.planes != nogan.planes));
}

#[tokio::test]
async fn models_of_different_sizes_take_over_from_each_other() {
    let nogan = FakeLipSync::new(Look::Nogan).with_input_size(48).in_trouble_from(0, STARVES);
    let mut scene = Scene::of_seconds(4)
        .painted_by([FakeLipSync::new(Look::Gan), nogan])
        .in_chunks(2)
        .moving_when_out_of_memory();
    let rate = scene.avatar.frame_rate;
    scene.avatar = duolip_testkit::avatar(rate, &[32, 48]).into();
    let video = scene.show().await;
    let gan: Vec<u64> = painted_by(Look::Gan).await.iter().map(|frame| frame.hash).collect();
    assert_eq!(video.frames, gan);
}

#[tokio::test]
async fn without_another_model_that_has_memory_the_job_fails_as_out_of_memory() {
    let starving = |look| FakeLipSync::new(look).in_trouble_from(3, STARVES);
    for models in [vec![Look::Gan], Look::PAIR.to_vec()] {
        let scene = Scene::of_seconds(4)
            .painted_by(models.into_iter().map(starving))
            .in_chunks(2)
            .moving_when_out_of_memory();
        let error = scene.fail().await;
        assert_eq!((error.stage(), error.kind()), (Stage::LipSync, ErrorKind::GpuOutOfMemory));
    }
}
