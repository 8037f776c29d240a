//! The programs as processes: exit codes, files, signals.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::media::{Probe, wav};
use crate::server::{Folders, program, root};

/// `duolip` in a folder of its own, with the repository's models and avatars.
fn command(folders: &Folders, arguments: &[&str]) -> Command {
    let mut command = Command::new(program("duolip"));
    command
        .args(arguments)
        .current_dir(folders.cache.path())
        .env("DUOLIP_DATA_DIR", root())
        .env("DUOLIP_WORK_DIR", folders.work.path())
        .env("DUOLIP_CACHE_DIR", folders.cache.path());
    command
}

fn duolip(folders: &Folders, arguments: &[&str]) -> Output {
    command(folders, arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn path(folders: &Folders, name: &str) -> String {
    folders.cache.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn render_writes_the_video_and_its_statistics_and_nothing_else() {
    let folders = Folders::new();
    let (speech, video) = (path(&folders, "speech.wav"), path(&folders, "new/video.mp4"));
    std::fs::write(&speech, wav(16_000 * 2, 16_000)).unwrap();
    let output =
        duolip(&folders, &["render", "--audio", &speech, "--num-workers", "2", "--output", &video]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    for line in ["speech", "mel", "plan", "chunk 0", "chunk 1", "concat", "real-time factor"] {
        assert!(said.contains(line), "{said}");
    }
    Probe::file(Path::new(&video)).assert_exact(16_000 * 2, 16_000);
    assert_eq!(folders.jobs(), 0);
    let beside = std::fs::read_dir(Path::new(&video).parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "a temporary file was left beside the video");
}

#[test]
fn exit_codes_are_those_of_the_error_table() {
    let folders = Folders::new();
    let video = path(&folders, "video.mp4");
    let render = |more: &[&str]| {
        let own = if more.contains(&"--output") { &[][..] } else { &["--output", &video] };
        let output = duolip(&folders, &[&["render"], own, more].concat());
        (output.status.code(), stderr(&output))
    };
    for (arguments, code, words) in [
        (&["--text", ""][..], 65, "nothing to say"),
        (&["--text", "Hi", "--language", "xx"], 65, "\"xx\" is unknown"),
        (&["--text", "Hi", "--num-workers", "17"], 65, "num_workers is 17"),
        (&["--text", "Hi", "--avatar", "nobody"], 66, "nobody"),
        (&["--audio", "/nowhere.wav"], 66, "/nowhere.wav"),
        (&["--audio", "/tmp"], 65, "/tmp could not be read"),
        (&["--text", "Hi", "--output", "/tmp"], 65, "/tmp could not be written"),
        (&["--text", "Hi", "--checkpoint-gan", "/nowhere"], 69, "/nowhere"),
        (&["--text", "Hi", "--batch-size", "none"], 64, "none"),
        (&["--text", "Hi", "--work-dir", "/nowhere"], 64, "DUOLIP_WORK_DIR"),
        (&["--text", "Hi", "--models", "gun"], 64, "gun"),
        (&["--text", "Hi", "--audio", "a.wav"], 64, "--audio"),
    ] {
        let (actual, said) = render(arguments);
        assert_eq!(actual, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!Path::new(&video).exists(), "a failed render left a file");
    assert_eq!(folders.jobs(), 0);
}

#[test]
fn a_failing_ffmpeg_is_reported_with_its_exit_status_and_last_words() {
    let folders = Folders::new();
    let ffmpeg = path(&folders, "ffmpeg");
    std::fs::write(&ffmpeg, "#!/bin/sh\necho 'no codec today' >&2\nexit 3\n").unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ffmpeg, executable).unwrap();
    let video = path(&folders, "video.mp4");
    let output = duolip(&folders, &["render", "--text", "Hi", "--ffmpeg", &ffmpeg, "-o", &video]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert!(said.contains("exit status: 3") && said.contains("no codec today"), "{said}");
    assert_eq!(folders.jobs(), 0);
}

#[test]
fn the_doctor_finds_everything_here_and_names_what_is_missing() {
    let folders = Folders::new();
    let output = duolip(&folders, &["doctor"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let programs = ["onnxruntime", "espeak-ng", "ffmpeg", "x264"];
    for name in programs.into_iter().chain(["model gan", "model nogan", "avatar anna"]) {
        let line = said.lines().find(|line| line.starts_with(name));
        assert!(line.is_some_and(|line| line.contains(" ok ")), "{name}: {said}");
    }
    let output = duolip(&folders, &["doctor", "--checkpoint-nogan", "/nowhere"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("/nowhere") && said.contains("CHECKPOINT_PATH_NOGAN"), "{said}");
}

#[test]
fn nothing_is_written_beside_the_folders_that_are_named() {
    let folders = Folders::new();
    let home = tempfile::tempdir().unwrap();
    let output = command(&folders, &["doctor"])
        .env("HOME", home.path())
        .env_remove("XDG_CACHE_HOME")
        .env_remove("ORT_DISABLE_TELEMETRY")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let written: Vec<_> = std::fs::read_dir(home.path()).unwrap().collect();
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn the_env_file_is_read_and_a_variable_that_is_set_wins() {
    let folders = Folders::new();
    std::fs::write(folders.cache.path().join(".env"), "DUOLIP_DEFAULT_AVATAR=from-the-file\n")
        .unwrap();
    let video = path(&folders, "video.mp4");
    let output = duolip(&folders, &["render", "--text", "Hi", "--output", &video]);
    assert_eq!(output.status.code(), Some(66));
    assert!(stderr(&output).contains("from-the-file"), "{}", stderr(&output));
    let output = Command::new(program("duolip"))
        .args(["render", "--text", "Hi", "--output", &video])
        .current_dir(folders.cache.path())
        .env("DUOLIP_DATA_DIR", root())
        .env("DUOLIP_DEFAULT_AVATAR", "from-the-shell")
        .output()
        .unwrap();
    assert!(stderr(&output).contains("from-the-shell"), "{}", stderr(&output));
}

#[test]
fn a_line_of_the_env_file_that_cannot_be_read_is_not_quoted() {
    let folders = Folders::new();
    let env = "AWS_SECRET_ACCESS_KEY hunter2 'oops\n";
    std::fs::write(folders.cache.path().join(".env"), env).unwrap();
    for name in ["duolip", "duolip-http"] {
        let output =
            Command::new(program(name)).current_dir(folders.cache.path()).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{name}: {said}");
        assert!(said.contains(".env") && !said.contains("hunter2"), "{name}: {said}");
    }
}

#[test]
fn the_server_refuses_a_wrong_configuration_before_it_opens_a_port() {
    let run = |name: &str, value: &str| {
        let output = Command::new(program("duolip-http")).env(name, value).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    for (name, value) in [
        ("PORT", "seventy"),
        ("DUOLIP_BATCH_SIZE", "0"),
        ("DUOLIP_EXECUTION_PROVIDER", "tpu"),
        ("DUOLIP_WORK_DIR", "/nowhere"),
    ] {
        let (code, said) = run(name, value);
        assert_eq!(code, Some(64), "{name}={value}: {said}");
        assert!(said.contains(value), "{name}={value}: {said}");
        assert_eq!(said.lines().count(), 1, "{name}={value}: {said}");
    }
}

#[test]
fn a_render_stopped_by_a_signal_leaves_nothing_behind() {
    for signal in ["-INT", "-TERM"] {
        let folders = Folders::new();
        let (speech, video) = (path(&folders, "speech.wav"), path(&folders, "video.mp4"));
        std::fs::write(&speech, wav(16_000 * 600, 16_000)).unwrap();
        let mut render = Command::new(program("duolip"))
            .args(["render", "--audio", &speech, "--output", &video])
            .env("DUOLIP_DATA_DIR", root())
            .env("DUOLIP_WORK_DIR", folders.work.path())
            .env("DUOLIP_CACHE_DIR", folders.cache.path())
            .spawn()
            .unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(folders.wait_for_jobs(1));
        let killed = Command::new("kill").args([signal, &render.id().to_string()]).status();
        assert!(killed.unwrap().success());
        assert_eq!(render.wait().unwrap().code(), Some(130), "{signal}");
        assert_eq!(folders.jobs(), 0, "{signal}");
        assert!(!Path::new(&video).exists(), "{signal}");
    }
}

/// A server process that is ready to render.
struct ServerProcess {
    process: Child,
    url: String,
}

impl ServerProcess {
    async fn start(folders: &Folders, grace_seconds: &str) -> Self {
        Self::of(&mut Command::new(program("duolip-http")), folders, grace_seconds).await
    }

    /// A server whose work folder is a disk of its own with 200 kB. Its root is seen through /proc.
    async fn on_a_small_disk(folders: &Folders) -> Self {
        let mounted = "mount -t tmpfs -o size=200k tmpfs \"$DUOLIP_WORK_DIR\" && exec \"$0\"";
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", mounted]);
        command.arg(program("duolip-http")).stderr(Stdio::piped());
        Self::of(&mut command, folders, "0").await
    }

    async fn of(command: &mut Command, folders: &Folders, grace_seconds: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut process = command
            .env("PORT", port.to_string())
            .env("DUOLIP_GRACE_SECONDS", grace_seconds)
            .env("DUOLIP_DATA_DIR", root())
            .env("DUOLIP_WORK_DIR", folders.work.path())
            .env("DUOLIP_CACHE_DIR", folders.cache.path())
            .process_group(0)
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}");
        while reqwest::get(format!("{url}/ping")).await.map_or(0, |r| r.status().as_u16()) != 200 {
            assert_eq!(process.try_wait().unwrap(), None, "{command:?} has ended");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Self { process, url }
    }

    /// Sends speech of `seconds`, waits until its job runs, and sends `signal` to the whole group,
    /// as a terminal does.
    async fn stop_while_rendering(
        &self,
        folders: &Folders,
        seconds: usize,
        signal: &str,
    ) -> reqwest::Result<reqwest::Response> {
        let audio = reqwest::multipart::Part::bytes(wav(16_000 * seconds, 16_000));
        let form = reqwest::multipart::Form::new().part("audio", audio.file_name("a.wav"));
        let url = format!("{}/api/generate", self.url);
        let running = tokio::spawn(reqwest::Client::new().post(url).multipart(form).send());
        folders.wait_for_jobs(1).await;
        let group = format!("-{}", self.process.id());
        let killed = Command::new("kill").args([signal, "--", &group]).status();
        assert!(killed.unwrap().success());
        running.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_the_job_alone_and_is_empty_again_afterwards() {
    let folders = Folders::new();
    let mut server = ServerProcess::on_a_small_disk(&folders).await;
    let work = format!("/proc/{}/root{}", server.process.id(), folders.work.path().display());
    let render = async |seconds: usize| {
        let audio = reqwest::multipart::Part::bytes(wav(16_000 * seconds, 16_000));
        let form = reqwest::multipart::Form::new().part("audio", audio.file_name("a.wav"));
        let request = reqwest::Client::new().post(format!("{}/api/generate", server.url));
        request.multipart(form).send().await.unwrap()
    };
    for _ in 0..2 {
        let response = render(40).await;
        assert_eq!(response.status(), 500);
        let answer: serde_json::Value = response.json().await.unwrap();
        assert_eq!(answer["error"]["code"], "internal", "{answer}");
        assert_eq!(std::fs::read_dir(&work).unwrap().count(), 0);
        let response = render(1).await;
        assert_eq!(response.status(), 200);
        Probe::bytes(&response.bytes().await.unwrap()).assert_exact(16_000, 16_000);
    }
    server.process.kill().unwrap();
    let output = server.process.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let told = log.lines().filter(|line| line.contains("No space left on device"));
    assert_eq!(told.count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_told_to_stop_finishes_the_job_it_has() {
    for signal in ["-TERM", "-INT"] {
        let folders = Folders::new();
        let mut server = ServerProcess::start(&folders, "120").await;
        let response = server.stop_while_rendering(&folders, 10, signal).await.unwrap();
        assert_eq!(response.status(), 200, "{signal}");
        Probe::bytes(&response.bytes().await.unwrap()).assert_exact(16_000 * 10, 16_000);
        assert!(server.process.wait().unwrap().success(), "{signal}");
        assert_eq!(folders.jobs(), 0, "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlives_the_grace_period_is_cancelled() {
    let folders = Folders::new();
    let mut server = ServerProcess::start(&folders, "1").await;
    assert!(server.stop_while_rendering(&folders, 600, "-TERM").await.is_err());
    assert!(server.process.wait().unwrap().success());
    assert_eq!(folders.jobs(), 0);
}
