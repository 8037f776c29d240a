//! What every artifact store does.

use std::path::PathBuf;
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use duolip_pipeline::deliver::{Artifact, ArtifactStore, DeliverError, Stored};
use duolip_pipeline::error::{Classify, ErrorKind};
use duolip_pipeline::folder::JobFolder;

/// Runs the suite on `store`; `fetch` gives what a reader finds at an artifact's URL, if anything.
///
/// # Panics
/// When a clause does not hold.
pub async fn artifact_store<F>(store: &dyn ArtifactStore, fetch: F)
where
    F: AsyncFn(&Stored) -> Option<Vec<u8>>,
{
    let folder = JobFolder::create_in(&std::env::temp_dir()).unwrap();
    let suite = Suite { store, fetch, folder };
    assert!(!store.description().is_empty(), "a store says what it is");
    suite.what_is_stored_can_be_fetched().await;
    suite.artifacts_of_different_names_lie_side_by_side().await;
    suite.an_artifact_of_the_same_name_is_replaced().await;
    suite.a_name_that_leaves_its_place_is_refused().await;
    suite.a_file_that_cannot_be_read_is_named().await;
    suite.a_put_that_nobody_waits_for_leaves_nothing_half_written().await;
}

struct Suite<'a, F> {
    store: &'a dyn ArtifactStore,
    fetch: F,
    folder: JobFolder,
}

impl<F> Suite<'_, F>
where
    F: AsyncFn(&Stored) -> Option<Vec<u8>>,
{
    /// An artifact called `name`, and its content, which no other `seed` has.
    fn artifact(&self, name: &str, seed: u8, size: usize) -> (Artifact, Vec<u8>) {
        let content: Vec<u8> = (0..size).map(|at| (at / 7 + at % 251) as u8 ^ seed).collect();
        let file = self.folder.file(&format!("made {seed}.mp4"));
        std::fs::write(&file, &content).unwrap();
        (artifact_of(name, file), content)
    }

    async fn put(&self, artifact: &Artifact, size: usize) -> Stored {
        let stored = self.store.put(artifact).await.unwrap();
        assert_eq!(stored.size_bytes, size as u64, "the size of {}", artifact.name);
        assert!(
            stored.key.ends_with(&artifact.name),
            "the key {} does not end with {}",
            stored.key,
            artifact.name
        );
        if let Some(expires_at) = stored.expires_at {
            assert!(expires_at > SystemTime::now(), "the URL of {} has expired", artifact.name);
        }
        stored
    }

    async fn check(&self, stored: &Stored, content: &[u8]) {
        let fetched = (self.fetch)(stored).await;
        // Not `assert_eq`: nobody wants to read thousands of bytes.
        assert!(
            fetched.as_deref() == Some(content),
            "{} gives {:?} bytes, or others than the {} that were stored",
            stored.key,
            fetched.map(|bytes| bytes.len()),
            content.len()
        );
    }

    async fn what_is_stored_can_be_fetched(&self) {
        let names = ["a.mp4", "sub folder/a.mp4", "день/100% «ё»+?#&.mp4", "empty.mp4"];
        for (name, size) in names.into_iter().zip([100_000, 1, 3000, 0]) {
            let (artifact, content) = self.artifact(name, 1, size);
            let stored = self.put(&artifact, size).await;
            self.check(&stored, &content).await;
            assert!(artifact.file.exists(), "the file of {name} is the job's, and stays");
        }
    }

    async fn artifacts_of_different_names_lie_side_by_side(&self) {
        let (first, first_content) = self.artifact("beside 1.mp4", 1, 50_000);
        let (second, second_content) = self.artifact("beside 2.mp4", 2, 50_000);
        let (first, second) = tokio::join!(self.put(&first, 50_000), self.put(&second, 50_000));
        self.check(&first, &first_content).await;
        self.check(&second, &second_content).await;
    }

    async fn an_artifact_of_the_same_name_is_replaced(&self) {
        let (long, _) = self.artifact("again.mp4", 1, 40_000);
        let (short, content) = self.artifact("again.mp4", 2, 20_000);
        self.put(&long, 40_000).await;
        let stored = self.put(&short, 20_000).await;
        self.check(&stored, &content).await;
    }

    async fn a_name_that_leaves_its_place_is_refused(&self) {
        let long = "n".repeat(256);
        let names =
            ["", "..", "../a.mp4", "a/../../b.mp4", "/a.mp4", "a//b.mp4", "a/", "a\nb.mp4", &long];
        for name in names {
            let (artifact, _) = self.artifact(name, 3, 10);
            match self.store.put(&artifact).await {
                Err(DeliverError::BadName { name: named, .. }) => assert_eq!(named, name),
                other => panic!("the name {name:?} gave {other:?}"),
            }
        }
    }

    async fn a_file_that_cannot_be_read_is_named(&self) {
        for file in [self.folder.file("never made.mp4"), self.folder.path().to_owned()] {
            let error = self.store.put(&artifact_of("unreadable.mp4", file.clone())).await;
            match error {
                Err(error @ DeliverError::Unreadable { .. }) => {
                    assert_eq!(error.kind(), ErrorKind::Internal);
                    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
                }
                other => panic!("{} gave {other:?}", file.display()),
            }
        }
    }

    async fn a_put_that_nobody_waits_for_leaves_nothing_half_written(&self) {
        let (artifact, content) = self.artifact("dropped.mp4", 4, 2_000_000);
        let mut put = self.store.put(&artifact);
        // It begins, and is dropped at its first wait, if it has one.
        let begun = put.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(put);
        if let Poll::Ready(stored) = begun {
            return self.check(&stored.unwrap(), &content).await;
        }
        // To where it would have been: as its twin, whose content differs.
        let (twin, twin_content) = self.artifact("dropped.mp4", 5, 1_000_000);
        let stored = self.put(&twin, 1_000_000).await;
        self.check(&stored, &twin_content).await;
    }
}

fn artifact_of(name: &str, file: PathBuf) -> Artifact {
    Artifact {
        name: name.to_owned(),
        file,
        media_type: "video/mp4",
        download_name: "avatar.mp4".to_owned(),
    }
}
