//! A real S3-compatible server, s3s-fs: its own process, on a free port, with a folder of its own.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use duolip_child::Child;
use tempfile::TempDir;

use crate::wait;

/// The bucket that the server has.
pub const BUCKET: &str = "videos";

/// Who may use it.
pub const ACCESS_KEY: &str = "key";

/// Their secret.
pub const SECRET_KEY: &str = "secret";

/// A running server, killed when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    folder: TempDir,
    /// Where it listens, on the loopback address.
    pub port: u16,
    process: Option<Child>,
}

impl S3Server {
    /// A server with an empty bucket.
    ///
    /// # Panics
    /// When s3s-fs is not installed.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = Self { folder, port, process: None };
        server.restart();
        server
    }

    /// Ends it at once; its folder stays.
    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Starts it again, on the same folder and port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        let mut command = Command::new(program());
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        self.process = Some(Child::start(&mut command).unwrap_or_else(|error| {
            panic!("{error}: s3s-fs is not installed; `scripts/setup.sh s3s-fs` installs it")
        }));
        let port = self.port;
        wait::until("s3s-fs listens", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    /// The URL of the server.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The content of the object `key`, from the server's folder.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.path().join(BUCKET).join(key)).ok()
    }

    /// Puts an object there, past the server.
    ///
    /// # Panics
    /// When its folder cannot be written.
    pub fn write_object(&self, key: &str, content: &[u8]) {
        std::fs::write(self.folder.path().join(BUCKET).join(key), content).unwrap();
    }

    /// The ids of uploads in parts that are neither completed nor aborted. The server keeps a file
    /// `.upload-<id>.json` for each.
    ///
    /// # Panics
    /// When its folder cannot be read.
    #[must_use]
    pub fn pending_uploads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload-")).collect()
    }
}

/// From the path, or where cargo puts what it installs.
fn program() -> PathBuf {
    let installed = std::env::home_dir().map(|home| home.join(".cargo/bin/s3s-fs"));
    installed.filter(|program| program.exists()).unwrap_or_else(|| "s3s-fs".into())
}
