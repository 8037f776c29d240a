//! A real S3-compatible server, s3s-fs: its own process, on a free port, with a folder of its own.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use duolip_child::Child;
use duolip_delivery::{S3Connection, S3Credentials, S3Settings};
use duolip_testkit::wait;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "videos";

/// A running server, killed when it is dropped.
pub(crate) struct Server {
    folder: TempDir,
    pub(crate) port: u16,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = Self { folder, port, process: None };
        server.restart();
        server
    }

    pub(crate) fn kill(&mut self) {
        drop(self.process.take());
    }

    /// On the same folder and port.
    pub(crate) fn restart(&mut self) {
        let mut command = Command::new(program());
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", "key", "--secret-key", "secret"])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.process = Some(Child::start(&mut command).unwrap_or_else(|error| {
            panic!("{error}: s3s-fs is not installed; `scripts/setup.sh s3s-fs` installs it")
        }));
        let port = self.port;
        wait::until("s3s-fs listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    /// Quick to give up, so that no test waits long; patient enough for a busy machine.
    pub(crate) fn settings(&self) -> S3Settings {
        settings(self.port)
    }

    /// The content of the object `key`, from the server's folder.
    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(BUCKET).join(key)).ok()
    }

    /// The ids of uploads in parts that are neither completed nor aborted. The server keeps a file
    /// `.upload-<id>.json` for each.
    pub(crate) fn pending_uploads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload-")).collect()
    }
}

/// Settings for a server, or what stands before it, at `port`.
pub(crate) fn settings(port: u16) -> S3Settings {
    S3Settings { connection: connection(port), ..S3Settings::new(BUCKET) }
}

pub(crate) fn connection(port: u16) -> S3Connection {
    S3Connection {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        credentials: Some(S3Credentials {
            access_key_id: "key".to_owned(),
            secret_access_key: "secret".to_owned(),
            session_token: None,
        }),
        attempts: 2,
        ..S3Connection::default()
    }
}

/// From the path, or where cargo puts what it installs.
fn program() -> PathBuf {
    let installed = std::env::home_dir().map(|home| home.join(".cargo/bin/s3s-fs"));
    installed.filter(|program| program.exists()).unwrap_or_else(|| "s3s-fs".into())
}
