//! The worker as a process, in folders of its own.

use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use super::platform::Platform;
use crate::server::{Folders, program, root};

/// As in the simulator.
const PATIENCE: Duration = Duration::from_mins(3);
const LOOK: Duration = Duration::from_millis(20);

/// A worker of a platform.
pub(crate) struct Worker {
    pub(crate) folders: Folders,
    process: Child,
    log: PathBuf,
}

/// `duolip-runpod` in `folders`, outside of any platform.
pub(crate) fn runpod(folders: &Folders) -> Command {
    let mut command = Command::new(program("duolip-runpod"));
    command
        .current_dir(folders.cache.path())
        .env("DUOLIP_DATA_DIR", root())
        .env("DUOLIP_WORK_DIR", folders.work.path())
        .env("DUOLIP_CACHE_DIR", folders.cache.path());
    command
}

impl Worker {
    /// A worker of `platform`, with `more` in its environment.
    pub(crate) fn start(platform: &Platform, more: &[(&str, &str)]) -> Self {
        let folders = Folders::new();
        let log = folders.cache.path().join("worker.log");
        let process = runpod(&folders)
            .envs(platform.environment())
            .envs(more.iter().copied())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { folders, process, log }
    }

    /// All it has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until it has logged `words`.
    pub(crate) async fn logs(&self, words: &str) {
        self.until(words, |worker| worker.log().contains(words)).await;
    }

    /// Waits until it has no child processes.
    pub(crate) async fn is_childless(&self) {
        let tasks = format!("/proc/{}/task", self.process.id());
        self.until("no children", |_| {
            let children = std::fs::read_dir(&tasks).unwrap().map(|task| {
                // A thread that has just ended has none.
                std::fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default()
            });
            children.collect::<String>().trim().is_empty()
        })
        .await;
    }

    pub(crate) fn terminate(&self) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let look = async {
            loop {
                if let Some(status) = self.process.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let status = tokio::time::timeout(PATIENCE, look).await;
        status.unwrap_or_else(|_| panic!("the worker does not end: {}", self.log()))
    }

    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let look = async {
            while !holds(self) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let held = tokio::time::timeout(PATIENCE, look).await;
        assert!(held.is_ok(), "in vain waited for {what}: {}", self.log());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Fails only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
