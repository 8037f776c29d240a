//! The ffmpeg program: where it is, and what every call of it has in common.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How often a wait looks at the cancellation token.
pub(crate) const POLL: std::time::Duration = std::time::Duration::from_millis(5);

/// Before an input whose format is said outright: ffmpeg need not look at it to find out, which
/// costs it a tenth of a second.
pub(crate) const AS_SAID: [&str; 4] = ["-probesize", "32", "-analyzeduration", "0"];

/// The ffmpeg program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ffmpeg {
    program: PathBuf,
}

impl Default for Ffmpeg {
    /// `ffmpeg`, found on the search path.
    fn default() -> Self {
        Self::at("ffmpeg")
    }
}

impl Ffmpeg {
    /// The program `program`: a name on the search path, or a path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// A command that is quiet but for errors, asks nothing, and has no input or output yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(self.whereabouts());
        command.args(["-hide_banner", "-loglevel", "error", "-nostdin", "-y"]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// A relative path made absolute, since a command may run in another folder; a bare name stays.
    fn whereabouts(&self) -> PathBuf {
        let is_bare_name = self.program.components().count() == 1;
        if is_bare_name { None } else { std::path::absolute(&self.program).ok() }
            .unwrap_or_else(|| self.program.clone())
    }
}

/// `path` as ffmpeg must be given it, so that no file name is mistaken for a protocol or an option.
pub(crate) fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}
