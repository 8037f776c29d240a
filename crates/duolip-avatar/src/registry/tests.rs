//! From files to prepared avatars, with a detector that counts how often it is asked.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::{FaceBox, FaceDetector};
use duolip_pipeline::picture::Picture;
use duolip_pipeline::units::FrameRate;
use image::RgbImage;
use tempfile::TempDir;

use super::*;
use crate::cache::AvatarCache;
use crate::detector::RustfaceDetector;

const FACE: FaceBox = FaceBox { left: 10, top: 12, right: 60, bottom: 62 };

/// Finds [`FACE`] in every picture but a white one.
#[derive(Debug, Default)]
struct CountingDetector(AtomicUsize);

impl CountingDetector {
    fn asked(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl FaceDetector for CountingDetector {
    fn detect(&self, photo: &Picture) -> Result<Option<FaceBox>, FaceError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok((photo.rgb[0] != 255).then_some(FACE))
    }
}

/// A folder of avatars, a cache folder and a detector.
struct Studio {
    root: TempDir,
    detector: Arc<CountingDetector>,
}

impl Studio {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("avatars")).unwrap();
        Self { root, detector: Arc::default() }
    }

    fn avatars(&self) -> PathBuf {
        self.root.path().join("avatars")
    }

    fn write(&self, file: &str, content: &[u8]) {
        let path = self.avatars().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn preparer(&self, paste: Paste, input_sizes: &[usize]) -> AvatarPreparer {
        let cache = AvatarCache::new(self.root.path().join("cache"));
        let detector = Arc::<CountingDetector>::clone(&self.detector);
        AvatarPreparer::new(detector, Some(cache), paste, input_sizes.to_vec())
    }

    fn open(&self) -> AvatarRegistry {
        AvatarRegistry::open(self.avatars(), self.preparer(Paste::Feathered, &[96])).unwrap()
    }

    fn cache_files(&self) -> Vec<PathBuf> {
        let Ok(folder) = self.root.path().join("cache").read_dir() else {
            return Vec::new();
        };
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn png(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let image = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([shade, shade.wrapping_add((x * 3) as u8), shade.wrapping_add((y * 5) as u8)])
    });
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

#[test]
fn an_avatar_is_prepared_as_its_files_say() {
    let studio = Studio::new();
    studio.write("anna/photo.png", &png(101, 99, 40));
    studio.write("bob/photo.png", &png(100, 90, 50));
    studio.write(
        "bob/avatar.toml",
        b"frame_rate = 30\nface_box = { left = 1, top = 2, right = 51, bottom = 52 }",
    );
    let registry = studio.open();
    let anna = registry.get("anna").unwrap();
    assert_eq!(anna.face_box, FaceBox { bottom: 72, ..FACE }, "10 pixels of pad below");
    assert_eq!((anna.base.width, anna.base.height), (100, 98), "an odd photo loses its last edge");
    assert_eq!(anna.frame_rate, FrameRate::DEFAULT);
    assert_eq!(anna.crop(96).unwrap().bgr.len(), 96 * 96 * 3);
    let bob = registry.get("bob").unwrap();
    assert_eq!(bob.face_box, FaceBox { left: 1, top: 2, right: 51, bottom: 52 }, "no pads");
    assert_eq!(Some(bob.frame_rate), FrameRate::new(30, 1).ok());
    assert_eq!(studio.detector.asked(), 1, "a given box is not searched for");
}

#[test]
fn a_second_start_takes_avatars_from_the_cache_equal_to_fresh_ones() {
    let studio = Studio::new();
    studio.write("anna/photo.png", &png(101, 99, 40));
    studio.write("anna/avatar.toml", b"frame_rate = \"30000/1001\"");
    let fresh = studio.open().get("anna").unwrap();
    let cached = studio.open().get("anna").unwrap();
    assert_eq!(studio.detector.asked(), 1);
    assert_eq!(*cached, *fresh);
    assert_eq!(studio.cache_files().len(), 1);
}

#[test]
fn the_same_photo_under_another_name_is_another_avatar() {
    let studio = Studio::new();
    studio.write("anna.png", &png(100, 100, 40));
    studio.write("twin.png", &png(100, 100, 40));
    let registry = studio.open();
    assert_eq!(registry.get("anna").unwrap().name, "anna");
    assert_eq!(registry.get("twin").unwrap().name, "twin");
    assert_eq!(studio.detector.asked(), 1);
}

#[test]
fn whatever_an_avatar_is_made_of_makes_another_cache_file() {
    let studio = Studio::new();
    let prepare = |paste, sizes: &[usize]| {
        let avatar = studio.preparer(paste, sizes).prepare_at(&studio.avatars().join("anna"));
        (avatar.unwrap(), studio.cache_files().len())
    };
    studio.write("anna/photo.png", &png(100, 100, 40));
    assert_eq!(prepare(Paste::Feathered, &[96]).1, 1);
    assert_eq!(prepare(Paste::Feathered, &[96, 96]).1, 1, "the same sizes");
    assert_eq!(prepare(Paste::Parity, &[96]).1, 2);
    assert_eq!(prepare(Paste::Feathered, &[96, 256]).1, 3);
    studio.write("anna/photo.png", &png(100, 100, 41));
    assert_eq!(prepare(Paste::Feathered, &[96]).1, 4);
    studio.write("anna/avatar.toml", b"pads = { bottom = 4 }");
    let (avatar, files) = prepare(Paste::Feathered, &[96]);
    assert_eq!((avatar.face_box.bottom, files), (66, 5));
}

#[test]
fn a_damaged_or_foreign_cache_file_is_ignored_and_written_anew() {
    let studio = Studio::new();
    studio.write("anna.png", &png(100, 100, 40));
    let fresh = studio.open().get("anna").unwrap();
    let [file] = studio.cache_files().try_into().unwrap();
    let good = fs::read(&file).unwrap();

    studio.write("bob.png", &png(100, 100, 80));
    studio.open();
    let others = studio.cache_files().into_iter().find(|other| *other != file).unwrap();
    let foreign = fs::read(others).unwrap();

    let mut flipped = good.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&b""[..], b"not a cache file", &good[..good.len() / 2], &flipped, &foreign] {
        let asked = studio.detector.asked();
        fs::write(&file, damaged).unwrap();
        assert_eq!(*studio.open().get("anna").unwrap(), *fresh);
        assert_eq!(studio.detector.asked(), asked + 1);
        assert!(fs::read(&file).unwrap() == good, "written anew");
    }
}

#[test]
fn without_a_cache_that_can_be_written_avatars_are_prepared_all_the_same() {
    let studio = Studio::new();
    studio.write("anna.png", &png(100, 100, 40));
    fs::write(studio.root.path().join("cache"), "a file where the folder should be").unwrap();
    assert!(studio.open().get("anna").is_ok());
}

#[test]
fn a_broken_avatar_answers_with_what_is_wrong_and_stands_in_nobodys_way() {
    let studio = Studio::new();
    studio.write("anna.png", &png(100, 100, 40));
    studio.write("blank.png", &png(100, 100, 255));
    studio.write("dot.png", &png(1, 1, 40));
    studio.write("text.png", b"I am no picture");
    studio.write("typo/photo.png", &png(100, 100, 40));
    studio.write("typo/avatar.toml", b"padz = {}");
    studio.write("far/photo.png", &png(100, 100, 40));
    studio.write("far/avatar.toml", b"face_box = { left = 0, top = 0, right = 101, bottom = 100 }");
    let registry = studio.open();
    assert!(registry.get("anna").is_ok());
    assert!(matches!(registry.get("blank"), Err(FaceError::NoFace { width: 100, .. })));
    assert!(matches!(registry.get("dot"), Err(FaceError::PhotoSize { width: 1, .. })));
    assert!(matches!(registry.get("text"), Err(FaceError::NotAPhoto { .. })));
    assert!(matches!(registry.get("typo"), Err(FaceError::BadSettings { .. })));
    assert!(matches!(registry.get("far"), Err(FaceError::BadBox { .. })));
    assert_eq!(registry.names().len(), 6);

    studio.write("typo/avatar.toml", b"");
    assert!(registry.get("typo").is_ok(), "mended while running");
}

#[test]
fn what_is_wrong_with_an_avatar_is_looked_for_again_but_not_at_every_question() {
    let studio = Studio::new();
    studio.write("anna.png", &png(100, 100, 255));
    let registry = studio.open();
    let asked = studio.detector.asked();
    for _ in 0..2 {
        assert!(registry.problem("anna").unwrap().contains("no face was found in anna.png"));
    }
    assert_eq!(studio.detector.asked(), asked + 1);
    assert!(registry.problem("bob").unwrap().contains("not in the registry"));

    let registry = studio.open();
    studio.write("anna.png", &png(100, 100, 40));
    assert_eq!(registry.problem("anna"), None, "mended while running");
    assert_eq!(registry.problem("anna"), None);
}

#[test]
fn an_avatar_added_while_running_is_found() {
    let studio = Studio::new();
    studio.write("anna.png", &png(100, 100, 40));
    let registry = studio.open();
    let error = registry.get("bob").unwrap_err();
    assert_eq!(error.to_string(), "avatar \"bob\" is not in the registry; known: anna");
    studio.write("bob/photo.png", &png(100, 100, 50));
    assert_eq!(registry.get("bob").unwrap().name, "bob");
    assert!(matches!(registry.get("../bob"), Err(FaceError::UnknownAvatar { .. })));
}

#[test]
fn a_photo_named_by_its_path_is_known_by_its_file_name() {
    let studio = Studio::new();
    let path = studio.root.path().join("My face.png");
    fs::write(&path, png(100, 100, 40)).unwrap();
    let registry = studio.open();
    assert!(registry.get("My face").is_err());
    let added = registry.add(&path).unwrap();
    assert!(Arc::ptr_eq(&registry.get("My face").unwrap(), &added));
    assert!(registry.names().contains("My face"));
}

#[test]
fn requests_that_come_at_once_prepare_an_avatar_once() {
    let studio = Studio::new();
    let registry = studio.open();
    studio.write("anna.png", &png(1000, 1000, 40));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| registry.get("anna").unwrap());
        }
    });
    assert_eq!(studio.detector.asked(), 1);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let studio = Studio::new();
    let nowhere = studio.root.path().join("nowhere");
    let error =
        AvatarRegistry::open(nowhere, studio.preparer(Paste::Feathered, &[96])).unwrap_err();
    assert!(matches!(error, FaceError::File { .. }), "{error}");
}

/// With the real detector: a blank picture has no face, and says which photo it was.
#[test]
fn a_blank_picture_is_refused_with_its_name_and_size() {
    let studio = Studio::new();
    studio.write("wall/photo.png", &png(128, 200, 255));
    let preparer = AvatarPreparer::new(
        Arc::new(RustfaceDetector::new().unwrap()),
        None,
        Paste::Feathered,
        vec![96],
    );
    let registry = AvatarRegistry::open(studio.avatars(), preparer).unwrap();
    assert_eq!(
        registry.get("wall").unwrap_err().to_string(),
        "no face was found in wall/photo.png (128x200 px); name one with face_box in avatar.toml"
    );
}
