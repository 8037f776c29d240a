//! Bringing a checkpoint of one's own: `duolip import-model`, and checkpoints named by variables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use duolip_checkpoint::{Checkpoint, StateDict, Tensor};
use duolip_compiler::{Network, Widths};

use crate::media::{Probe, wav};
use crate::server::{Folders, program, root};

/// A checkpoint of the fixtures: narrow networks of Wav2Lip's layers in every container.
fn fixture(name: &str) -> String {
    let file = root().join("crates/duolip-checkpoint/tests/fixtures").join(name);
    assert!(file.is_file(), "{} is not there", file.display());
    file.to_str().unwrap().to_owned()
}

fn duolip(folders: &Folders) -> Command {
    let mut command = Command::new(program("duolip"));
    command
        .current_dir(folders.cache.path())
        .env("DUOLIP_DATA_DIR", root())
        .env("DUOLIP_WORK_DIR", folders.work.path())
        .env("DUOLIP_CACHE_DIR", folders.cache.path())
        .env_remove("DUOLIP_ACCEPT_LICENSE");
    command
}

/// `duolip import-model FILE --output models/OUTPUT` with `more` arguments.
fn import(folders: &Folders, file: &str, output: &str, more: &[&str]) -> Output {
    let output = format!("models/{output}");
    let arguments = [&["import-model", file, "--output", &output], more].concat();
    duolip(folders).args(arguments).output().unwrap()
}

fn models(folders: &Folders) -> PathBuf {
    folders.cache.path().join("models")
}

/// The names in a folder, hidden ones too; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_checkpoint_becomes_a_folder_that_renders() {
    let folders = Folders::new();
    let output = import(&folders, &fixture("traced.pt"), "gan", &["--licence", "MIT"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for words in ["a TorchScript archive", "96 px", "rows 50 to 95", "times less", "differs by"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(names(&models(&folders)), ["gan"]);
    let manifest = fs::read_to_string(models(&folders).join("gan/manifest.toml")).unwrap();
    for words in
        ["name = \"traced\"", "licence = \"MIT\"", "mouth_generator_fp16.onnx", "[painted]"]
    {
        assert!(manifest.contains(words), "{manifest}");
    }
    let speech = folders.cache.path().join("speech.wav");
    fs::write(&speech, wav(16_000, 16_000)).unwrap();
    let rendered = duolip(&folders)
        .args(["render", "--audio", "speech.wav", "--output", "video.mp4"])
        .env("CHECKPOINT_PATH_GAN", "models/gan")
        .output()
        .unwrap();
    assert!(rendered.status.success(), "{}", text(&rendered.stderr));
    Probe::file(&folders.cache.path().join("video.mp4")).assert_exact(16_000, 16_000);
}

#[test]
fn nothing_is_imported_before_the_terms_are_accepted() {
    let folders = Folders::new();
    let refused = import(&folders, &fixture("traced.pt"), "gan", &[]);
    assert_eq!(refused.status.code(), Some(65));
    let said = text(&refused.stderr);
    for words in ["not commercially", "--accept-license", "DUOLIP_ACCEPT_LICENSE"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(names(&models(&folders)), [""; 0]);
    let accepted = import(&folders, &fixture("traced.pt"), "gan", &["--accept-license"]);
    assert!(accepted.status.success(), "{}", text(&accepted.stderr));
    assert!(text(&accepted.stderr).contains("not commercially"), "the terms were not shown");
}

#[test]
fn a_checkpoint_named_by_its_variable_is_imported_once_and_named_by_doctor() {
    let folders = Folders::new();
    let doctor = |accept: &str| {
        let output = duolip(&folders)
            .arg("doctor")
            .env("CHECKPOINT_PATH_GAN", fixture("legacy_checkpoint.pth"))
            .env("CHECKPOINT_PATH_NOGAN", fixture("legacy_checkpoint.pth"))
            .env("DUOLIP_ACCEPT_LICENSE", accept)
            .output()
            .unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (code, said) = doctor("false");
    assert_eq!(code, Some(69), "{said}");
    assert!(said.contains("DUOLIP_ACCEPT_LICENSE"), "{said}");
    assert_eq!(names(&models(&folders)), [""; 0]);

    let (code, said) = doctor("true");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("legacy_checkpoint on cpu"), "{said}");
    // Both places name the same file: one folder, made once, and no lock or half of a folder.
    let imported = names(&models(&folders));
    assert_eq!(imported.len(), 1, "{imported:?}");
    let made = || fs::metadata(models(&folders).join(&imported[0])).unwrap().modified().unwrap();
    let first = made();
    let (code, said) = doctor("true");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(made(), first);
}

#[test]
fn a_second_import_changes_nothing_and_another_file_is_refused() {
    let folders = Folders::new();
    let licence = ["--licence", "MIT"];
    assert!(import(&folders, &fixture("zip_bf16.pth"), "gan", &licence).status.success());
    let again = import(&folders, &fixture("zip_bf16.pth"), "gan", &licence);
    assert!(again.status.success());
    assert!(text(&again.stdout).contains("already"), "{}", text(&again.stdout));
    let before = fs::read(models(&folders).join("gan/manifest.toml")).unwrap();
    let other = import(&folders, &fixture("scripted.pt"), "gan", &licence);
    assert_eq!(other.status.code(), Some(65));
    assert!(text(&other.stderr).contains("exists and is not this import"));
    assert_eq!(fs::read(models(&folders).join("gan/manifest.toml")).unwrap(), before);
    assert_eq!(names(&models(&folders)), ["gan"]);
}

#[test]
fn an_exported_graph_is_imported_and_compared_with_itself() {
    let folders = Folders::new();
    let output = import(&folders, &fixture("exported.onnx"), "gan", &["--licence", "MIT"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("an ONNX graph"), "{}", text(&output.stdout));
}

#[test]
fn what_is_no_lip_sync_checkpoint_is_refused_by_what_it_is() {
    let folders = Folders::new();
    let page = folders.cache.path().join("page.pth");
    fs::write(&page, "<!DOCTYPE html><html><body>Google Drive - Quota exceeded</body></html>")
        .unwrap();
    // An opset that no ONNX Runtime has.
    let too_new = folders.cache.path().join("too_new.onnx");
    let mut graph = fs::read(fixture("exported.onnx")).unwrap();
    let opset = opset_of(&mut graph);
    *opset = 99;
    fs::write(&too_new, graph).unwrap();
    for (file, code, words) in [
        (page.to_str().unwrap(), 65, "this is a web page"),
        (&fixture("refused/syncnet.pth"), 65, "SyncNet"),
        (&fixture("refused/discriminator.pth"), 65, "discriminator"),
        (&fixture("refused/esrgan.pth"), 65, "ESRGAN"),
        (&fixture("refused/big_endian.pth"), 65, "big-endian"),
        (too_new.to_str().unwrap(), 65, "could not be run"),
        ("/nowhere.pth", 66, "/nowhere.pth"),
    ] {
        let output = import(&folders, file, "gan", &["--licence", "MIT"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{file}: {said}");
        assert!(said.contains(words), "{file}: {said}");
    }
    assert_eq!(names(&models(&folders)), [""; 0]);
}

/// The byte of an ONNX file that says its version of the operators: the last field of the file is
/// `opset_import`, and in it the version is field 2.
fn opset_of(graph: &mut [u8]) -> &mut u8 {
    let last = graph.len() - 4..graph.len();
    let at = last.clone().find(|&at| graph[at] == 0x10).expect("no version at the end");
    assert!((11..30).contains(&graph[at + 1]), "{:?}", &graph[last]);
    &mut graph[at + 1]
}

#[test]
fn half_precision_is_left_out_where_its_numbers_overflow() {
    let folders = Folders::new();
    let Checkpoint::Torch { state, .. } =
        duolip_checkpoint::read(Path::new(&fixture("zip_checkpoint.pth"))).unwrap()
    else {
        panic!("it is a checkpoint");
    };
    // The first layer's results a million times larger, and the second's weights as much smaller.
    let scaled = state.iter().map(|(name, tensor)| {
        let factor = match name.as_str() {
            "audio_encoder.11.conv_block.1.weight" | "audio_encoder.11.conv_block.1.bias" => 1e6,
            "audio_encoder.12.conv_block.0.weight" => 1e-6,
            _ => 1.0,
        };
        let values = tensor.values.iter().map(|value| value * factor).collect();
        (name.clone(), Tensor { shape: tensor.shape.clone(), values })
    });
    let network = Network::from_state_dict(&scaled.collect::<StateDict>()).unwrap();
    let file = folders.cache.path().join("large.onnx");
    fs::write(&file, network.plain_graph().into_bytes()).unwrap();
    let output = import(&folders, file.to_str().unwrap(), "gan", &["--licence", "MIT"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("left out"), "{}", text(&output.stdout));
    let made = names(&models(&folders).join("gan"));
    assert_eq!(made, ["face_encoder.onnx", "manifest.toml", "mouth_generator.onnx"]);
}

#[test]
fn a_damaged_import_in_the_cache_is_made_anew() {
    let folders = Folders::new();
    let doctor = || {
        let output = duolip(&folders)
            .arg("doctor")
            .env("CHECKPOINT_PATH_GAN", fixture("scripted.pt"))
            .env("DUOLIP_ACCEPT_LICENSE", "true")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stdout));
        names(&models(&folders))
    };
    let imported = doctor();
    let manifest = models(&folders).join(&imported[0]).join("manifest.toml");
    let whole = fs::read(&manifest).unwrap();
    fs::write(&manifest, "").unwrap();
    assert_eq!(doctor(), imported);
    assert_eq!(fs::read(&manifest).unwrap(), whole);
}

#[test]
fn a_licence_of_ones_own_is_taken_whatever_the_variable_says_and_another_is_another_import() {
    let folders = Folders::new();
    let import = |licence: &str| {
        let file = fixture("traced.pt");
        let arguments = ["import-model", &file, "--output", "models/gan", "--licence", licence];
        let output =
            duolip(&folders).args(arguments).env("DUOLIP_ACCEPT_LICENSE", "true").output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(import("MIT"), (Some(0), String::new()));
    assert_eq!(import("CC0").0, Some(65));
    assert_eq!(import("").0, Some(64));
}

#[test]
fn a_model_for_soft_edges_is_refused_in_parity_mode_and_imported_anew_for_it() {
    let folders = Folders::new();
    assert!(import(&folders, &fixture("traced.pt"), "gan", &["--licence", "MIT"]).status.success());
    let doctor = |gan: &str| {
        let output = duolip(&folders)
            .args(["doctor", "--paste", "parity"])
            .env("CHECKPOINT_PATH_GAN", gan)
            .output()
            .unwrap();
        text(&output.stdout)
    };
    let said = doctor("models/gan");
    let line = said.lines().find(|line| line.starts_with("model gan")).unwrap();
    assert!(line.contains("MISSING") && line.contains("parity"), "{line}");
    let more = ["--licence", "MIT", "--paste", "parity"];
    assert!(import(&folders, &fixture("traced.pt"), "whole", &more).status.success());
    let said = doctor("models/whole");
    let line = said.lines().find(|line| line.starts_with("model gan")).unwrap();
    assert!(line.contains("ok"), "{line}");
}

#[test]
fn an_interrupted_or_killed_import_leaves_no_folder_and_the_next_one_cleans_up() {
    let folders = Folders::new();
    // As large as the published ones: its import takes seconds.
    let file = folders.cache.path().join("full.onnx");
    fs::write(&file, Network::random(&Widths::default(), 3).plain_graph().into_bytes()).unwrap();
    let file = file.to_str().unwrap();
    let start = || {
        duolip(&folders)
            .args(["import-model", file, "--output", "models/gan", "--licence", "MIT"])
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let at_work = || {
        let started = Instant::now();
        while !names(&models(&folders)).iter().any(|name| name.contains("importing")) {
            assert!(started.elapsed() < Duration::from_mins(1), "the import did not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let interrupted = start();
    at_work();
    let pid = interrupted.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let output = interrupted.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(names(&models(&folders)), [""; 0]);

    let mut killed = start();
    at_work();
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(!models(&folders).join("gan").exists());

    // Two at the same time: one imports, the other waits and finds it done.
    let both = [start(), start()].map(|child| child.wait_with_output().unwrap());
    for output in &both {
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let waited = both.iter().filter(|output| text(&output.stdout).contains("already")).count();
    assert_eq!(waited, 1);
    assert_eq!(names(&models(&folders)), ["gan"]);
}

#[test]
fn the_demo_pair_is_imported_once_and_runs_as_it_is_where_nothing_can_be_kept() {
    let folders = Folders::new();
    fs::write(folders.cache.path().join("speech.wav"), wav(16_000, 16_000)).unwrap();
    let rendered = |cache: &Path| {
        let output = duolip(&folders)
            .args(["render", "--audio", "speech.wav", "--output", "video.mp4"])
            .env("DUOLIP_CACHE_DIR", cache)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        let video = folders.cache.path().join("video.mp4");
        Probe::file(&video).assert_exact(16_000, 16_000);
        fs::read(video).unwrap()
    };
    let first = rendered(folders.cache.path());
    let imported = names(&models(&folders));
    assert_eq!(imported.len(), 2, "{imported:?}");
    let made = |name: &String| fs::metadata(models(&folders).join(name)).unwrap().modified();
    let before: Vec<_> = imported.iter().map(|name| made(name).unwrap()).collect();
    assert!(rendered(folders.cache.path()) == first);
    let after: Vec<_> = imported.iter().map(|name| made(name).unwrap()).collect();
    assert_eq!((names(&models(&folders)), after), (imported, before));

    // A file is no folder to keep anything in.
    rendered(&folders.cache.path().join("speech.wav"));
}
