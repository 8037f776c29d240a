//! Folders of avatars.

use std::fs;

use tempfile::TempDir;

use super::*;

fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    folder
}

fn label(folder: &TempDir, name: &str) -> String {
    Source::find(folder.path(), name).unwrap().unwrap().photo.label
}

#[test]
fn the_photo_is_the_file_of_that_name_or_the_only_picture() {
    let folder = folder(&[
        "anna/photo.webp",
        "anna/another.png",
        "anna/.hidden.png",
        "bob/IMG_0001.JPG",
        "bob/avatar.toml",
        "carl.jpeg",
    ]);
    assert_eq!(label(&folder, "anna"), "anna/photo.webp");
    assert_eq!(label(&folder, "bob"), "bob/IMG_0001.JPG");
    assert_eq!(label(&folder, "carl"), "carl.jpeg");
    let bob = Source::find(folder.path(), "bob").unwrap().unwrap();
    assert_eq!(bob.settings.unwrap().label, "bob/avatar.toml");
}

#[test]
fn a_folder_wins_over_a_bare_picture() {
    assert_eq!(label(&folder(&["anna/photo.png", "anna.png"]), "anna"), "anna/photo.png");
}

#[test]
fn a_folder_with_several_pictures_and_no_photo_says_so() {
    for files in [vec!["anna/1.png", "anna/2.png"], vec!["anna/avatar.toml"]] {
        let error = Source::find(folder(&files).path(), "anna").unwrap_err();
        let FaceError::File { file, source } = error else { panic!("{error}") };
        assert_eq!(file, "anna/photo.{png,jpg,jpeg,webp}");
        let found = if files.len() == 2 { 2 } else { 0 };
        assert!(source.to_string().starts_with(&format!("{found} pictures")), "{source}");
    }
}

#[test]
fn no_name_leads_out_of_the_folder() {
    let folder = folder(&["avatars/anna/photo.png", "secret/photo.png", "secret.png"]);
    let avatars = folder.path().join("avatars");
    let absolute = folder.path().join("secret").display().to_string();
    for name in
        ["", ".", "..", "../secret", "anna/../../secret", "anna/", "a\0b", "анна", &absolute]
    {
        assert!(Source::find(&avatars, name).unwrap().is_none(), "{name:?}");
    }
    assert!(Source::find(&avatars, &"a".repeat(65)).unwrap().is_none());
    assert!(Source::find(&avatars, "anna").unwrap().is_some());
}

#[test]
fn the_names_are_those_that_can_be_asked_for() {
    let folder = folder(&[
        "anna/photo.png",
        "bare.webp",
        "broken/avatar.toml",
        "readme.md",
        "with space.png",
        "notes/text.txt",
        ".git/x.png",
    ]);
    let names: Vec<_> = names_in(folder.path()).unwrap().into_iter().collect();
    assert_eq!(names, ["anna", "bare", "broken"]);
}

#[test]
fn a_path_may_be_a_picture_or_a_folder() {
    let folder = folder(&["My face.jpg", "anna/photo.png", "anna/avatar.toml"]);
    let picture = Source::at(&folder.path().join("My face.jpg")).unwrap();
    assert_eq!(
        (picture.name.as_str(), picture.photo.bytes.as_slice()),
        ("My face", &b"My face.jpg"[..])
    );
    let anna = Source::at(&folder.path().join("anna")).unwrap();
    assert!(anna.name == "anna" && anna.settings.is_some());
    let error = Source::at(&folder.path().join("nobody.png")).unwrap_err();
    assert!(matches!(error, FaceError::File { .. }), "{error}");
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    let error = read(Path::new("/dev/zero"), "zero.png".into(), 1000).unwrap_err();
    let FaceError::File { source, .. } = error else { panic!("{error}") };
    assert_eq!(source.to_string(), "it is larger than 1000 bytes");
}
