//! Batches: the command, resumed and killed, and the function behind Lambda's runtime API.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use duolip_testkit::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use serde_json::{Value, json};

use crate::function::{Function, recorded};
use crate::media::{Probe, wav};
use crate::server::{Folders, program, root};

/// As long as the slowest machine may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// A manifest line of a fifth of a second of speech.
fn short(id: &str) -> Value {
    json!({"id": id, "audio": BASE64_STANDARD.encode(wav(3_200, 16_000)), "num_workers": 1})
}

/// A batch in folders of its own.
struct Batch {
    folders: Folders,
}

impl Batch {
    fn new(lines: &[String]) -> Self {
        let batch = Self { folders: Folders::new() };
        std::fs::write(batch.path("manifest.jsonl"), lines.join("\n")).unwrap();
        batch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folders.cache.path().join(name)
    }

    fn command(&self, manifest: &str, more: &[&str]) -> Command {
        let mut command = Command::new(program("duolip"));
        command
            .args(["batch", manifest, "--results", "results.jsonl", "--output", "videos"])
            .args(more)
            .current_dir(self.folders.cache.path())
            .env("DUOLIP_DATA_DIR", root())
            .env("DUOLIP_WORK_DIR", self.folders.work.path())
            .env("DUOLIP_CACHE_DIR", self.folders.cache.path());
        command
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command("manifest.jsonl", more).output().unwrap()
    }

    fn results(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Whole results that are there now.
    fn done(&self) -> usize {
        let text = std::fs::read_to_string(self.path("results.jsonl")).unwrap_or_default();
        text.matches('\n').count()
    }

    fn videos(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.path("videos")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_bad_line_fails_alone_and_what_is_done_is_not_rendered_again() {
    let lines = [
        short("first").to_string(),
        "{\"id\": \"broken\", ".to_owned(),
        json!({"id": "unknown", "text": "Hi", "speed": 2}).to_string(),
        String::new(),
        short("first").to_string(),
        json!({"id": "url", "text": "Hi", "delivery": "url"}).to_string(),
        json!({"id": "last", "text": "Да.", "endpoint": "generate", "model": "nogan"}).to_string(),
    ];
    let batch = Batch::new(&lines);
    let output = batch.run(&["--jobs", "1"]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("2 ok, 4 failed, 0 left; 0 of them done before"));
    let results = batch.results("results.jsonl");
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            (result["line"].as_u64().unwrap(), &result["id"], &result["error"]["message"])
        })
        .collect();
    assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [1, 2, 3, 5, 6, 7]);
    for (at, id, words) in [
        (1, Value::Null, "line 2 is not a JSON object"),
        (2, json!("unknown"), "speed"),
        (3, Value::Null, "line 5 has the id \"first\" of an earlier line"),
        (4, json!("url"), "no artifact store"),
    ] {
        assert_eq!(told[at].1, &id);
        assert!(told[at].2.as_str().unwrap().contains(words), "{:?}", told[at]);
    }
    assert_eq!(results[0]["path"], "videos/first.mp4");
    assert_eq!((&results[0]["frames"], &results[0]["url"]), (&json!(5), &Value::Null));
    assert_eq!(results[5]["chunks"][0]["model"], "nogan");
    assert_eq!(batch.videos(), ["first.mp4", "last.mp4"].map(str::to_owned).into());
    Probe::file(&batch.path("videos/first.mp4")).assert_exact(3_200, 16_000);
    assert_eq!(batch.folders.jobs(), 0);

    let modified =
        || std::fs::metadata(batch.path("videos/first.mp4")).unwrap().modified().unwrap();
    let before = modified();
    let output = batch.run(&[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        said(&output).contains("2 ok, 4 failed, 0 left; 6 of them done before"),
        "{}",
        said(&output)
    );
    assert_eq!(batch.results("results.jsonl"), results);
    assert_eq!(modified(), before, "rendered again");
}

#[test]
fn fifty_jobs_killed_twice_end_with_fifty_results_and_fifty_videos() {
    let ids: Vec<String> = (0..50).map(|number| format!("job-{number:02}")).collect();
    let batch = Batch::new(&ids.iter().map(|id| short(id).to_string()).collect::<Vec<_>>());
    for killed_after in [7, 23] {
        let mut running =
            batch.command("manifest.jsonl", &[]).stderr(Stdio::null()).spawn().unwrap();
        wait_until("some results", || batch.done() >= killed_after);
        running.kill().unwrap();
        running.wait().unwrap();
        assert!(batch.done() < 50, "it was done before it could be killed");
        // What a process leaves that is killed while it writes.
        let mut results = File::options().append(true).open(batch.path("results.jsonl")).unwrap();
        results.write_all(b"{\"id\":\"job-4").unwrap();
    }
    let output = batch.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("50 ok, 0 failed, 0 left"), "{}", said(&output));

    let results = batch.results("results.jsonl");
    assert_eq!(results.len(), 50);
    let done: BTreeSet<_> = results.iter().map(|result| result["id"].as_str().unwrap()).collect();
    assert_eq!(done, ids.iter().map(String::as_str).collect());
    assert_eq!(batch.videos(), ids.iter().map(|id| format!("{id}.mp4")).collect());
    for id in ids.iter().step_by(9) {
        Probe::file(&batch.path(&format!("videos/{id}.mp4"))).assert_exact(3_200, 16_000);
    }
}

#[test]
fn a_signal_lets_running_jobs_finish_and_the_next_run_does_the_rest() {
    let ids: Vec<String> = (0..30).map(|number| format!("job-{number}")).collect();
    let batch = Batch::new(&ids.iter().map(|id| short(id).to_string()).collect::<Vec<_>>());
    let running = batch.command("manifest.jsonl", &["--jobs", "1"]);
    let running = { running }.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("some results", || batch.done() >= 3);
    let kill = Command::new("kill").arg(running.id().to_string()).status().unwrap();
    assert!(kill.success());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    let done = batch.done();
    assert!(said(&output).contains(&format!("{done} ok, 0 failed, {} left", 30 - done)));
    assert_eq!(batch.folders.jobs(), 0, "something half done was left");
    assert_eq!(batch.videos().len(), done);

    let output = batch.run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!((batch.done(), batch.videos().len()), (30, 30));
}

#[test]
fn one_results_file_has_one_writer_and_exit_codes_tell_what_went_wrong() {
    let batch = Batch::new(&[json!({"id": "a", "text": ""}).to_string()]);
    let holder = File::create(batch.path("results.jsonl")).unwrap();
    holder.lock().unwrap();
    let output = batch.run(&[]);
    assert_eq!(output.status.code(), Some(75));
    assert!(said(&output).contains("another process writes the results"), "{}", said(&output));
    drop(holder);

    let output = batch.run(&[]);
    assert_eq!(output.status.code(), Some(4), "none is ok: {}", said(&output));
    for (manifest, more, code, words) in [
        ("nowhere.jsonl", &[][..], 66, "nowhere.jsonl"),
        ("s3://a", &[], 65, "s3://a"),
        ("manifest.jsonl", &["--jobs", "9"], 64, "DUOLIP_MAX_JOBS allows 4"),
        ("manifest.jsonl", &["--shards", "2", "--shard", "2"], 64, "no shard 2 of 2"),
    ] {
        let output = batch.command(manifest, more).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{manifest}: {}", said(&output));
        assert!(said(&output).contains(words), "{manifest}: {}", said(&output));
    }
    std::fs::write(batch.path("results.jsonl"), "precious data\n").unwrap();
    let output = batch.run(&[]);
    assert_eq!(output.status.code(), Some(65));
    assert!(said(&output).contains("name another file"), "{}", said(&output));
}

#[test]
fn what_the_machine_lacked_is_no_result_of_a_job() {
    let lines = [
        short("pair").to_string(),
        json!({"id": "one", "text": "Да.", "endpoint": "generate"}).to_string(),
    ];
    let batch = Batch::new(&lines);
    let run = |variables: &[(&str, &str)]| {
        let mut command = batch.command("manifest.jsonl", &[]);
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let (gan, nogan) = (("CHECKPOINT_PATH_GAN", "/nowhere"), ("CHECKPOINT_PATH_NOGAN", "/nowhere"));
    let output = run(&[gan, nogan]);
    assert_eq!(output.status.code(), Some(69), "{}", said(&output));
    assert!(
        said(&output).contains("nothing can be rendered") && said(&output).contains("/nowhere")
    );
    assert_eq!(batch.done(), 0);

    // With one model the other job is told what is missing, and rendered when it is there.
    let output = run(&[nogan]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(
        batch
            .results("results.jsonl")
            .iter()
            .any(|result| result["error"]["code"] == "pair_required")
    );
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(
        said(&output).contains("2 ok, 0 failed, 0 left; 1 of them done before"),
        "{}",
        said(&output)
    );
    assert_eq!(batch.done(), 2);
}

#[test]
fn a_signal_ends_a_batch_that_waits_for_somebody_to_type() {
    let batch = Batch::new(&[]);
    let mut command = batch.command("-", &[]);
    let mut running = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut typing = running.stdin.take().unwrap();
    typing.write_all(format!("{}\n", short("typed")).as_bytes()).unwrap();
    wait_until("the result", || batch.done() == 1);
    assert!(Command::new("kill").arg(running.id().to_string()).status().unwrap().success());
    let output = running.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    drop(typing);
}

#[test]
fn shards_share_a_manifest_of_the_standard_input() {
    let ids = ["a", "b", "c"];
    let lines = ids.map(|id| short(id).to_string()).join("\n");
    let batch = Batch::new(&[]);
    for shard in ["0", "1"] {
        let mut command = batch.command("-", &["--shards", "2"]);
        command.env("AWS_BATCH_JOB_ARRAY_INDEX", shard);
        let mut running = command.stdin(Stdio::piped()).spawn().unwrap();
        running.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(0));
    }
    let of = |name: &str| {
        let results = batch.results(name);
        results.iter().map(|result| result["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("results-0-of-2.jsonl").len() + of("results-1-of-2.jsonl").len(), 3);
    assert_eq!(of("results-1-of-2.jsonl"), ["b"]);
    assert_eq!(batch.videos().len(), 3);
}

#[test]
fn manifest_results_and_videos_may_lie_in_a_bucket() {
    let server = S3Server::start();
    let put = |key: &str, lines: &[Value]| {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        server.write_object(key, text.join("\n").as_bytes());
    };
    let batch = Batch::new(&[]);
    let batched = |manifest: &str| {
        let mut command = Command::new(program("duolip-batch"));
        command
            .args([manifest, "--results", &format!("s3://{BUCKET}/results.jsonl")])
            .current_dir(batch.folders.cache.path())
            .env("DUOLIP_DATA_DIR", root())
            .env("DUOLIP_WORK_DIR", batch.folders.work.path())
            .env("DUOLIP_CACHE_DIR", batch.folders.cache.path())
            .env("DUOLIP_STORE", format!("s3://{BUCKET}/videos"))
            .env("DUOLIP_S3_ENDPOINT", server.endpoint())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        command
    };
    let run = |manifest: &str| batched(manifest).output().unwrap();
    put("first.jsonl", &[short("a")]);
    let output = run(&format!("s3://{BUCKET}/first.jsonl"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    put("second.jsonl", &[short("a"), short("b")]);
    let output = run(&format!("s3://{BUCKET}/second.jsonl"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("2 ok, 0 failed, 0 left; 1 of them done before"));
    let results = String::from_utf8(server.object("results.jsonl").unwrap()).unwrap();
    assert_eq!(results.lines().count(), 2, "{results}");
    for id in ["a", "b"] {
        let video = server.object(&format!("videos/{id}.mp4")).unwrap();
        Probe::bytes(&video).assert_exact(3_200, 16_000);
    }
    let output = run(&format!("s3://{BUCKET}/missing.jsonl"));
    assert_eq!(output.status.code(), Some(66), "{}", said(&output));

    // Two runs over the same results: the one that is done first has them.
    let speech = BASE64_STANDARD.encode(wav(16_000 * 60, 16_000));
    put("long.jsonl", &[json!({"id": "long", "audio": speech})]);
    let mut command = batched(&format!("s3://{BUCKET}/long.jsonl"));
    let long = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("a job", || batch.folders.jobs() == 1);
    put("third.jsonl", &[short("c")]);
    let output = run(&format!("s3://{BUCKET}/third.jsonl"));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let output = long.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", said(&output));
    assert!(said(&output).contains("was written by somebody else meanwhile"), "{}", said(&output));
    let results = String::from_utf8(server.object("results.jsonl").unwrap()).unwrap();
    assert_eq!(results.lines().count(), 3, "{results}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lambda_renders_schedules_queues_and_maps_with_one_engine() {
    let batch = Batch::new(&[]);
    let output = batch.path("videos");
    let settings = [("DUOLIP_BATCH_OUTPUT", output.to_str().unwrap())];
    let function = Function::start("duolip-batch", &settings).await;
    let manifest = batch.path("nightly.jsonl");
    let lines = [short("a").to_string(), "oops".to_owned(), short("b").to_string()];
    std::fs::write(&manifest, lines.join("\n")).unwrap();
    let mut schedule = recorded("batch", "schedule");
    schedule["manifest"] = json!(manifest);
    schedule["results"] = json!(batch.path("nightly.results.jsonl"));
    let answer = function.invoke(schedule.clone()).await.unwrap();
    assert_eq!(
        (&answer["ok"], &answer["failed"], &answer["left"]),
        (&json!(2), &json!(1), &json!(0))
    );
    assert_eq!(batch.results("nightly.results.jsonl").len(), 3);
    let again = function.invoke(schedule).await.unwrap();
    assert_eq!((&again["ok"], &again["before"]), (&json!(2), &json!(3)));

    let mut queue = recorded("batch", "queue");
    let template = queue["Records"][0].clone();
    let bodies = [short("c").to_string(), "no JSON".to_owned(), json!({"id": "d"}).to_string()];
    let records = bodies.iter().enumerate().map(|(at, body)| {
        let mut record = template.clone();
        record["messageId"] = json!(format!("message-{at}"));
        record["body"] = json!(body);
        record
    });
    queue["Records"] = records.collect();
    let answer = function.invoke(queue).await.unwrap();
    // What is wrong would fail again: it is told in the log, and not kept in the queue.
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert!(
        function.log().contains("id is missing")
            && function.log().contains("neither text nor audio")
    );

    let item = function.invoke(short("e")).await.unwrap();
    assert_eq!((&item["id"], &item["status"]), (&json!("e"), &json!("ok")));
    let items =
        function.invoke(json!({"Items": [short("f"), {"id": "g", "text": ""}]})).await.unwrap();
    assert_eq!((&items[0]["status"], &items[1]["status"]), (&json!("ok"), &json!("error")));

    let refusal =
        function.invoke(json!({"Records": [{"eventSource": "aws:s3"}]})).await.unwrap_err();
    assert!(refusal.contains("this event is an object with Records"), "{refusal}");
    let videos = ["a", "b", "c", "e", "f"].map(|id| format!("{id}.mp4"));
    assert_eq!(batch.videos(), videos.into());
    assert_eq!(function.said("lip-sync model warm"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_error_may_pass_stays_in_the_queue() {
    let mut server = S3Server::start();
    let (store, endpoint) = (format!("s3://{BUCKET}/videos"), server.endpoint());
    server.kill();
    let settings = [
        ("DUOLIP_STORE", store.as_str()),
        ("DUOLIP_S3_ENDPOINT", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("DUOLIP_BATCH_ATTEMPTS", "1"),
    ];
    let function = Function::start("duolip-batch", &settings).await;
    let mut queue = recorded("batch", "queue");
    queue["Records"][0]["body"] = json!(short("kept").to_string());
    let answer = function.invoke(queue.clone()).await.unwrap();
    let id = &queue["Records"][0]["messageId"];
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": id}]}));
    let error = function.invoke(short("item")).await.unwrap_err();
    assert!(error.contains("\"upstream\""), "{error}");

    server.restart();
    let answer = function.invoke(queue).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert!(server.object("videos/kept.mp4").is_some());
}
