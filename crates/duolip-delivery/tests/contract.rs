//! The contract of artifact stores, on those that need no server. S3's is in `tests/s3`.

use std::path::PathBuf;

use duolip_delivery::{FolderArtifactStore, FolderSettings, MemoryArtifactStore};
use duolip_pipeline::deliver::Stored;
use duolip_testkit::contract;

#[tokio::test]
async fn memory_keeps_the_contract() {
    let store = MemoryArtifactStore::default();
    let fetch = async |stored: &Stored| store.get(&stored.key).map(|kept| kept.bytes.to_vec());
    contract::artifact_store(&store, fetch).await;
}

#[tokio::test]
async fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderArtifactStore::new(FolderSettings {
        folder: folder.path().join("a folder"),
        prefix: "videos".to_owned(),
        public_url: None,
    })
    .unwrap();
    // A `file://` URL, as a browser reads it.
    let fetch = async |stored: &Stored| {
        let file: PathBuf = url::Url::parse(&stored.url).unwrap().to_file_path().unwrap();
        std::fs::read(file).ok()
    };
    contract::artifact_store(&store, fetch).await;
}

#[tokio::test]
async fn what_is_taken_out_of_memory_is_no_longer_there() {
    use duolip_pipeline::deliver::{Artifact, ArtifactStore as _};

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made.mp4");
    std::fs::write(&file, "a video").unwrap();
    let store = MemoryArtifactStore::default();
    let artifact = Artifact {
        name: "a.mp4".to_owned(),
        file,
        media_type: "video/mp4",
        download_name: "avatar.mp4".to_owned(),
    };
    let stored = store.put(&artifact).await.unwrap();
    let taken = store.clone().take(&stored.key).unwrap();
    assert_eq!(&*taken.bytes, b"a video");
    assert_eq!((taken.media_type, taken.download_name.as_str()), ("video/mp4", "avatar.mp4"));
    assert_eq!(store.get(&stored.key), None);
}
