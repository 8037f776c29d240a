//! A function as AWS Lambda runs it: the real program behind a simulator of Lambda's runtime API.

use std::fs::File;
use std::process::{Child, Command};
use std::time::Duration;

use lambda_simulator::{InvocationStatus, Simulator};
use serde_json::Value;

use crate::server::{Folders, program, root};

/// As long as the slowest machine may take for a start or a job.
const PATIENCE: Duration = Duration::from_secs(150);

/// How long a function may run, so that a schedule has time for its jobs.
const FUNCTION_TIMEOUT: Duration = Duration::from_mins(10);

/// A running function, in folders of its own; it works in the cache folder.
pub(crate) struct Function {
    simulator: Simulator,
    process: Child,
    pub(crate) folders: Folders,
}

impl Function {
    pub(crate) async fn start(name: &str, settings: &[(&str, &str)]) -> Self {
        let simulator = Simulator::builder()
            .function_name(name)
            .invocation_timeout(FUNCTION_TIMEOUT)
            .build()
            .await
            .unwrap();
        let mut variables = simulator.lambda_env_vars();
        // Ours has ffmpeg and espeak-ng on it.
        variables.remove("PATH");
        let folders = Folders::new();
        let log = File::create(folders.cache.path().join("log")).unwrap();
        let process = Command::new(program(name))
            .current_dir(folders.cache.path())
            .envs(variables)
            .env("DUOLIP_DATA_DIR", root())
            .env("DUOLIP_WORK_DIR", folders.work.path())
            .env("DUOLIP_CACHE_DIR", folders.cache.path())
            .envs(settings.iter().copied())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { simulator, process, folders }
    }

    /// Sends `event`, and SIGTERM once its job runs; gives the function's exit code.
    pub(crate) async fn is_stopped_while_rendering(&mut self, event: Value) -> Option<i32> {
        self.simulator.enqueue_payload(event).await;
        self.folders.wait_for_jobs(1).await;
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }

    /// The answer to `event`, or the error of the invocation.
    pub(crate) async fn invoke(&self, event: Value) -> Result<Value, String> {
        let id = self.simulator.enqueue_payload(event).await;
        let done = self.simulator.wait_for_invocation_complete(&id, PATIENCE).await;
        let state = done.unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
        match state.status {
            InvocationStatus::Success => Ok(state.response.unwrap().payload),
            _ => Err(state.error.unwrap().error_message),
        }
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folders.cache.path().join("log")).unwrap()
    }

    /// How often the log says `words`.
    pub(crate) fn said(&self, words: &str) -> usize {
        self.log().lines().filter(|line| line.contains(words)).count()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The recorded event `name` of the function in `functions/FOLDER`.
pub(crate) fn recorded(folder: &str, name: &str) -> Value {
    let file = root().join("functions").join(folder).join("events").join(name);
    serde_json::from_slice(&std::fs::read(file.with_extension("json")).unwrap()).unwrap()
}
