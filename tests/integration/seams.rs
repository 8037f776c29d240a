//! What is seen of a seam between the two models of the demo pair, with the cross-fade and without.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use duolip_pipeline::CancellationToken;
use duolip_pipeline::chunk::Chunk;
use duolip_pipeline::face::Avatar;
use duolip_pipeline::job::JobRequest;
use duolip_pipeline::lipsync::Look;
use duolip_pipeline::observe::Observer;
use duolip_service::engine::Engine;
use duolip_testkit::seam::{SeamMeasure, luma_of, steps};

use crate::server::Folders;

const WORDS: &str = "The quick brown fox jumps over the lazy dog. Peter Piper picked a peck of \
                     pickled peppers, and nobody knows why. We walk by the river before the bakery \
                     opens, and my mother puts a warm cup of tea on the table.";

/// The painted rectangle of every frame before encoding, and the plan.
struct Mouths {
    avatar: Arc<Avatar>,
    frames: Mutex<BTreeMap<usize, Vec<u8>>>,
    chunks: Mutex<Vec<Chunk>>,
}

impl Observer for Mouths {
    fn planned(&self, chunks: &[Chunk]) {
        *self.chunks.lock().unwrap() = chunks.to_vec();
    }

    fn composed(&self, _chunk: usize, frame: usize, planes: &[u8]) {
        let (width, area) = (self.avatar.base.width, self.avatar.patch.painted());
        self.frames.lock().unwrap().insert(frame, luma_of(planes, width, area));
    }
}

async fn mouths(engine: &Engine, models: &[Look], chunks: i64) -> (Vec<Vec<u8>>, Vec<Chunk>) {
    let observer = Arc::new(Mouths {
        avatar: engine.avatars().get("anna").unwrap(),
        frames: Mutex::default(),
        chunks: Mutex::default(),
    });
    let request = JobRequest {
        text: Some(WORDS.into()),
        language: "en".into(),
        avatar: "anna".into(),
        models: models.to_vec(),
        num_workers: Some(chunks),
        ..JobRequest::default()
    };
    engine.render(request, &engine.place().unwrap(), observer.clone()).await.unwrap();
    let frames = observer.frames.lock().unwrap().values().cloned().collect();
    let chunks = observer.chunks.lock().unwrap().clone();
    (frames, chunks)
}

/// The two models paint chins and lips of slightly different brightness: a hard cut is a flash of a
/// frame.
#[tokio::test(flavor = "multi_thread")]
async fn a_cross_faded_seam_does_not_stand_out_and_a_hard_cut_does() {
    let folders = Folders::new();
    let engine =
        Engine::build(folders.config(&[]), &Look::PAIR, &CancellationToken::new()).unwrap();
    let (gan, _) = mouths(&engine, &[Look::Gan], 1).await;
    let (nogan, _) = mouths(&engine, &[Look::Nogan], 1).await;
    let (faded, chunks) = mouths(&engine, &Look::PAIR, 4).await;
    assert_eq!(chunks.len(), 4);
    // Without fades the plan would give each chunk its own model's frames and nothing else.
    let cut: Vec<_> = chunks
        .iter()
        .flat_map(|chunk| {
            let own = if chunk.look == Look::Gan { &gan } else { &nogan };
            own[chunk.frames.clone()].to_vec()
        })
        .collect();

    let (faded, cut) = (steps(&faded), steps(&cut));
    for pair in chunks.windows(2) {
        let overlap = pair[0].fades.last().unwrap().frames.start..pair[1].fades[0].frames.end;
        let with = SeamMeasure::new(&faded, overlap.clone());
        let without = SeamMeasure::new(&cut, overlap);
        let seam = pair[1].frames.start;
        println!("seam at frame {seam}: with the cross-fade {with:?}, without {without:?}");
    }
}
