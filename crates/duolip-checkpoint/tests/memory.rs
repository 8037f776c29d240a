//! Reading takes no more memory than the state dict and one storage; hostile files, no more than
//! their size justifies. A test binary of its own, because it counts every allocation.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

#[path = "../fuzz/entry.rs"]
mod entry;
#[path = "support/mod.rs"]
mod support;

use std::{path::Path, sync::Mutex};

use duolip_checkpoint::{Checkpoint, CheckpointError, read};
use peak_alloc::PeakAlloc;
use support::{Pickle, Random, Zip, deflate, every_file, legacy, one_tensor, read_bytes};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The count is the process's: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

const MEGABYTE: usize = 1 << 20;

/// Most bytes allocated at once by `work`, beyond those there were.
fn peak_of<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = work();
    (ALLOCATOR.peak_usage().saturating_sub(before), result)
}

/// A checkpoint as training saves it: `count` tensors of a megabyte, and twice as many moments.
fn training_checkpoint(count: usize, zip: bool) -> (Vec<u8>, usize) {
    let elements = (MEGABYTE / 4) as i64;
    let tensor = |pickle: Pickle, name: &str, key: usize| {
        let key = key.to_string();
        pickle.text(name).tensor(("FloatStorage", &key, elements), 0, &[elements], &[1])
    };
    let mut object = Pickle::new().raw(b"}(").text("state_dict").raw(b"}(");
    for index in 0..count {
        object = tensor(object, &format!("module.layer.{index}"), index);
    }
    object = object.raw(b"u").text("optimizer").raw(b"}").text("state").raw(b"}(");
    for index in count..3 * count {
        object = tensor(object, &index.to_string(), index);
    }
    let object = object.raw(b"usu").stop();
    let storage = vec![7; MEGABYTE];
    let keys: Vec<String> = (0..3 * count).map(|key| key.to_string()).collect();
    let file = if zip {
        let archive = Zip::default().stored("x/data.pkl", &object);
        keys.iter()
            .fold(archive, |zip, key| zip.stored(&format!("x/data/{key}"), &storage))
            .finish()
    } else {
        let storages: Vec<_> =
            keys.iter().map(|key| (key.as_str(), elements as u64, storage.as_slice())).collect();
        legacy(&object, &storages)
    };
    (file, count * MEGABYTE)
}

#[test]
fn the_optimiser_s_moments_are_never_in_memory() {
    let _one = ONE.lock().unwrap();
    for zip in [false, true] {
        let (file, state_bytes) = training_checkpoint(16, zip);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        std::fs::write(&path, &file).unwrap();
        drop(file);
        let (peak, read) = peak_of(|| read(&path).unwrap());
        let Checkpoint::Torch { state, .. } = read else { panic!("not taken for PyTorch's") };
        assert_eq!(state.len(), 16);
        // The state dict, one storage, and a quarter of a megabyte for buffers and names.
        let most = state_bytes + MEGABYTE + MEGABYTE / 4;
        assert!((state_bytes..most).contains(&peak), "zip {zip}: {peak} bytes");
    }
}

/// Twice the tensors a file may give (four times its size and a megabyte: tensors and storage),
/// and room for the pickle's table at its limits.
fn assert_bounded(name: &str, file: &[u8]) {
    let (peak, _) = peak_of(|| read_bytes(file).is_ok());
    let most = 8 * file.len() + 24 * MEGABYTE;
    assert!(peak < most, "{name}: {peak} bytes for a file of {}", file.len());
}

#[test]
fn damaged_files_take_no_more_memory_than_their_size_justifies() {
    let _one = ONE.lock().unwrap();
    let mut random = Random(4);
    for (name, whole) in every_file() {
        assert_bounded(&name, &whole);
        for _ in 0..30 {
            let mut file = whole.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(file.len());
                file[at] = random.below(256) as u8;
            }
            file.truncate(file.len() - random.below(2) * random.below(whole.len()));
            assert_bounded(&name, &file);
        }
    }
}

#[test]
fn hostile_pickles_take_no_more_memory_than_the_limits() {
    let _one = ONE.lock().unwrap();
    let repeated = |unit: &[u8], count: usize| Pickle::new().raw(&unit.repeat(count)).stop();
    let names = (0..60_000).fold(Pickle::new().raw(b"}("), |pickle, index| {
        pickle.text(&format!("{index:0>20}")).raw(b"N")
    });
    for (name, object) in [
        ("lists", repeated(b"](NNNNNeN0", MEGABYTE)),
        ("dictionaries", repeated(b"}NNs0", MEGABYTE)),
        ("tuples", repeated(b"N\x850", MEGABYTE)),
        ("stack", repeated(b"N", 4 * MEGABYTE)),
        ("marks", repeated(b"(", 4 * MEGABYTE)),
        ("memo", repeated(b"Nr\xFF\xFF\x01\x00", 1000)),
        ("memoised", repeated(b"N\x94", MEGABYTE)),
        ("long integers", repeated(b"\x8A\xFF", MEGABYTE)),
        ("names", names.raw(b"u").stop()),
        ("shape", one_tensor(("FloatStorage", "0", 1), 0, &[1 << 50], &[0])),
        ("declared text", Pickle::new().raw(b"\x8D\xFF\xFF\xFF\xFF\xFF\0\0\0").stop()),
        ("declared bytes", Pickle::new().raw(b"B\xFF\xFF\xFF\xFF").stop()),
    ] {
        let archive = Zip::default().stored("data.pkl", &object).stored("data/0", &[0; 4]).finish();
        for file in [legacy(&object, &[("0", 1, &[0; 4])]), archive] {
            let (peak, read) = peak_of(|| read_bytes(&file).is_ok());
            assert!(!read, "{name} was taken");
            // The pickle itself, where it lies in an archive, and the table at its limits.
            let most = object.len() + 24 * MEGABYTE;
            assert!(peak < most, "{name}: {peak} bytes");
        }
    }
}

#[test]
fn bombs_and_bloated_directories_take_a_few_megabytes() {
    let _one = ONE.lock().unwrap();
    let bomb = Zip::default().deflated("data.pkl", &vec![b'N'; 64 * MEGABYTE]).finish();
    let declared = Zip::default().entry("data.pkl", 8, &deflate(b"N."), u32::MAX).finish();
    let stored = Zip::default().entry("data.pkl", 0, b"N.", u32::MAX).finish();
    let entries =
        (0..50_000).fold(Zip::default(), |zip, index| zip.stored(&index.to_string(), b"")).finish();
    for (name, file) in
        [("bomb", bomb), ("declared", declared), ("stored", stored), ("entries", entries)]
    {
        let (peak, read) = peak_of(|| read_bytes(&file).is_ok());
        assert!(!read, "{name} was taken");
        assert!(peak < 16 * MEGABYTE, "{name}: {peak} bytes for a file of {}", file.len());
    }
}

/// Replays what the fuzz targets begin with: files called `sound…` are taken, all others refused,
/// and no file takes more memory than its size justifies.
#[test]
fn every_file_of_the_fuzz_corpus_is_taken_or_refused_as_its_name_says() {
    type Entry = fn(&[u8]) -> Result<Checkpoint, CheckpointError>;
    let _one = ONE.lock().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let targets: [(&str, Entry); 3] =
        [("file", entry::file), ("legacy", entry::legacy), ("pickle", entry::pickle)];
    for (target, entry) in targets {
        let (mut taken, mut refused) = (0, 0);
        for file in std::fs::read_dir(corpus.join(target)).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let (peak, read) = peak_of(|| entry(&bytes));
            let sound = path.file_name().unwrap().to_string_lossy().starts_with("sound");
            assert_eq!(read.is_ok(), sound, "{}: {:?}", path.display(), read.err());
            assert!(peak < 8 * bytes.len() + 24 * MEGABYTE, "{}: {peak} bytes", path.display());
            *if sound { &mut taken } else { &mut refused } += 1;
        }
        assert!(taken >= 5 && refused >= 30, "{target}: {taken} sound files, {refused} others");
    }
}
