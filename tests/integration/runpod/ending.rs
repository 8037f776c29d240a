//! How a worker ends: told to stop, in need of a fresh start; and what becomes of its jobs.

use serde_json::{Value, json};

use super::platform::{Odd, Platform, error, job};
use super::worker::Worker;
use super::{long, short, video};
use crate::media::Probe;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_stop_finishes_its_job_posts_it_and_takes_no_more() {
    let platform = Platform::with_jobs([job("a", short()), job("b", short())]);
    let mut worker = Worker::start(&platform, &[]);
    worker.folders.wait_for_jobs(1).await;
    worker.terminate();
    assert!(worker.ended().await.success(), "{}", worker.log());
    let results = platform.results("a");
    Probe::bytes(&video(&results[0].body["output"])).assert_exact(16_000, 16_000);
    assert_eq!(platform.calls("job-take").len(), 1);
    assert_eq!(worker.folders.jobs(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlives_the_grace_period_is_left_to_another_worker_and_nothing_of_it_stays() {
    let platform = Platform::with_jobs([job("long", long())]);
    let mut worker = Worker::start(&platform, &[("DUOLIP_GRACE_SECONDS", "1")]);
    worker.folders.wait_for_jobs(1).await;
    worker.terminate();
    assert!(worker.ended().await.success(), "{}", worker.log());
    assert!(platform.results("long").is_empty());
    assert_eq!(worker.folders.jobs(), 0);
    assert!(worker.log().contains("left to another worker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_the_platform_refuses_is_kept_on_disk_and_the_next_job_is_taken() {
    let platform = Platform::with_jobs([job("a", short()), job("b", short())]);
    platform.say("job-done", &[Odd::Status(400), Odd::Status(413), Odd::Status(400)]);
    let worker = Worker::start(&platform, &[("DUOLIP_RUNPOD_PROGRESS_SECONDS", "0")]);
    platform.result("b").await;
    assert_eq!(platform.results("a").len(), 3);
    assert_kept(&worker, "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_posted_before_the_worker_must_end_is_kept_on_disk() {
    let mut platform = Platform::with_jobs([job("a", short())]);
    let mut worker = Worker::start(&platform, &[("DUOLIP_GRACE_SECONDS", "1")]);
    worker.folders.wait_for_jobs(1).await;
    platform.die();
    worker.logs("the result is posted again").await;
    worker.terminate();
    assert!(worker.ended().await.success(), "{}", worker.log());
    assert_kept(&worker, "a");
}

fn assert_kept(worker: &Worker, id: &str) {
    let folder = worker.folders.work.path().join("duolip-undelivered");
    let kept = std::fs::read(folder.join(format!("runpod-{id}.json"))).unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    Probe::bytes(&video(&kept["output"])).assert_exact(16_000, 16_000);
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_fault_of_ours_a_fresh_worker_is_asked_for_and_this_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let ffmpeg = folder.path().join("ffmpeg");
    // Healthy when it is asked for its version, and broken when it is to work.
    let script = "#!/bin/sh\ncase \"$*\" in *-version*|*-encoders*) exec ffmpeg \"$@\";; esac\n\
                  echo 'no codec today' >&2\nexit 3\n";
    std::fs::write(&ffmpeg, script).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&ffmpeg, executable).unwrap();
    let said = json!({"text": "Hi", "language": "en"});
    let platform = Platform::with_jobs([job("a", said.clone()), job("b", said)]);
    let mut worker = Worker::start(&platform, &[("DUOLIP_FFMPEG", ffmpeg.to_str().unwrap())]);
    assert!(worker.ended().await.success(), "{}", worker.log());
    let results = platform.results("a");
    assert_eq!(results[0].body["stopPod"], true);
    let error = error(&results[0]);
    assert_eq!(error["code"], "internal", "{error}");
    assert!(error["job_id"].is_string() && error["stage"].is_string(), "{error}");
    assert_eq!(platform.calls("job-take").len(), 1, "a worker to be replaced took another job");
    assert_eq!(worker.folders.jobs(), 0);
}
