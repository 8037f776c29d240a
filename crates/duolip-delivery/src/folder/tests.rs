//! The folder store: what the contract suite leaves to it.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::*;

fn settings(folder: &Path) -> FolderSettings {
    FolderSettings { folder: folder.to_owned(), prefix: String::new(), public_url: None }
}

fn artifact(folder: &TempDir, name: &str) -> Artifact {
    let file = folder.path().join("made.mp4");
    fs::write(&file, "a video").unwrap();
    Artifact {
        name: name.to_owned(),
        file,
        media_type: "video/mp4",
        download_name: "avatar.mp4".to_owned(),
    }
}

/// The names of all files below `folder`.
fn names(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        names.push(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()));
        }
    }
    names
}

#[tokio::test]
async fn a_prefix_makes_folders_and_a_public_url_leads_to_them() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = FolderArtifactStore::new(FolderSettings {
        folder: to.path().join("made/by the store"),
        prefix: "videos/today".to_owned(),
        public_url: Some("https://example.com/v/".to_owned()),
    })
    .unwrap();
    let stored = store.put(&artifact(&from, "job 1.mp4")).await.unwrap();
    assert_eq!(stored.key, "videos/today/job 1.mp4");
    assert_eq!(stored.url, "https://example.com/v/videos/today/job%201.mp4");
    let file = to.path().join("made/by the store/videos/today/job 1.mp4");
    assert_eq!(fs::read_to_string(&file).unwrap(), "a video");
    // Whatever the umask leaves: never the owner alone by our doing, as temporary files are.
    let made_by_std = to.path().join("for comparison");
    fs::write(&made_by_std, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&file), mode(&made_by_std));
}

#[tokio::test]
async fn a_copy_that_nobody_waits_for_leaves_nothing() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = artifact(&from, "a.mp4").file;
    let cancel = CancellationToken::new();
    cancel.cancel();
    let copied = copy(&made, &to.path().join("videos/a.mp4"), &cancel);
    assert!(matches!(copied, Err(Fault::Destination(_))), "{copied:?}");
    assert_eq!(names(to.path()), ["videos"]);
}

#[tokio::test]
async fn a_file_in_the_place_of_a_folder_is_a_refusal() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(to.path().join("taken"), "").unwrap();
    let store = FolderArtifactStore::new(settings(to.path())).unwrap();
    let error = store.put(&artifact(&from, "taken/a.mp4")).await.unwrap_err();
    assert!(matches!(error, DeliverError::Refused { .. }), "{error:?}");
    assert_eq!(names(to.path()), ["taken"]);
}

#[test]
fn a_store_is_not_made_where_it_cannot_be() {
    let to = tempfile::tempdir().unwrap();
    fs::write(to.path().join("file"), "").unwrap();
    let error = FolderArtifactStore::new(settings(&to.path().join("file"))).unwrap_err();
    assert!(matches!(error, FolderStoreError::Unusable { .. }), "{error:?}");
    let outside = FolderSettings { prefix: "../outside".to_owned(), ..settings(to.path()) };
    let error = FolderArtifactStore::new(outside).unwrap_err().to_string();
    assert_eq!(
        error,
        "the prefix \"../outside\" cannot be used: it has . or .. between its slashes"
    );
}
