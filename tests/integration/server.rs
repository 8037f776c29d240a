//! A service on a free port, with folders of its own.

use std::path::{Path, PathBuf};

use clap::Parser;
use duolip_service::config::Config;
use duolip_service::router::router;
use duolip_service::service::Service;
use serde_json::Value;
use tempfile::TempDir;

#[derive(Parser)]
struct Args {
    #[command(flatten)]
    config: Config,
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(1).unwrap().to_owned()
}

/// A program of this workspace, as `make test` has built it.
pub(crate) fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        program.is_file(),
        "{} is not built: cargo build --workspace --bins",
        program.display()
    );
    program
}

/// Folders for one test: job folders and prepared avatars.
pub(crate) struct Folders {
    pub(crate) work: TempDir,
    pub(crate) cache: TempDir,
}

impl Folders {
    pub(crate) fn new() -> Self {
        Self { work: tempfile::tempdir().unwrap(), cache: tempfile::tempdir().unwrap() }
    }

    /// A configuration in these folders, with `more` arguments.
    pub(crate) fn config(&self, more: &[&str]) -> Config {
        let (root, work, cache) = (root(), self.work.path(), self.cache.path());
        let folders = [
            "test",
            "--data-dir",
            root.to_str().unwrap(),
            "--work-dir",
            work.to_str().unwrap(),
            "--cache-dir",
            cache.to_str().unwrap(),
        ];
        let args = Args::try_parse_from(folders.iter().chain(more)).unwrap();
        args.config.checked().unwrap()
    }

    /// Job folders that are there now.
    pub(crate) fn jobs(&self) -> usize {
        std::fs::read_dir(self.work.path()).unwrap().count()
    }

    /// Waits until `jobs` job folders are there; gives up after a minute.
    pub(crate) async fn wait_for_jobs(&self, jobs: usize) {
        for _ in 0..600 {
            if self.jobs() == jobs {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("{} job folders instead of {jobs}", self.jobs());
    }
}

/// A server in this process.
pub(crate) struct Server {
    pub(crate) folders: Folders,
    pub(crate) service: Service,
    url: String,
}

impl Server {
    /// A warm server.
    pub(crate) async fn warm(more: &[&str]) -> Self {
        let server = Self::cold(more).await;
        server.warm_up().await;
        server
    }

    /// A server whose models are not loaded yet.
    pub(crate) async fn cold(more: &[&str]) -> Self {
        let folders = Folders::new();
        let service = Service::new(folders.config(more));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = router(service.clone());
        let grace = std::time::Duration::ZERO;
        tokio::spawn(duolip_service::serve::serve(listener, routes, grace));
        Self { folders, service, url }
    }

    pub(crate) async fn warm_up(&self) {
        let service = self.service.clone();
        tokio::task::spawn_blocking(move || service.warm_up()).await.unwrap();
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(self.url(path)).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> reqwest::Response {
        reqwest::Client::new().post(self.url(path)).json(&body).send().await.unwrap()
    }
}
