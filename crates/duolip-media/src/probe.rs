//! Which ffmpeg is installed, for health and the doctor.

use std::process::Command;

use duolip_child::{ChildError, run};
use duolip_pipeline::CancellationToken;

use crate::program::Ffmpeg;

/// More than any build of ffmpeg has to say about itself, in bytes.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// What is known of the installed ffmpeg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FfmpegVersion {
    /// The first line of `ffmpeg -version`.
    pub line: String,
    /// Whether it has the libx264 encoder, which every render needs.
    pub has_libx264: bool,
}

/// Why the installed ffmpeg is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It is not installed, may not be run, or fails even to say its version.
    #[error("ffmpeg could not be asked for its version")]
    Program(#[source] ChildError),
    /// The program answers, but not as ffmpeg does.
    #[error("the program does not say it is ffmpeg; it begins with {answer:?}")]
    NotFfmpeg {
        /// The beginning of what it says.
        answer: String,
    },
}

/// Asks `ffmpeg` for its version and its encoders. Blocks for about a tenth of a second.
///
/// # Errors
/// [`ProbeError`].
///
/// # Cancellation
/// Stops within milliseconds, as [`ProbeError::Program`].
pub fn probe(ffmpeg: &Ffmpeg, cancel: &CancellationToken) -> Result<FfmpegVersion, ProbeError> {
    let version = answer(ffmpeg.command().arg("-version"), cancel)?;
    let line = version.lines().next().unwrap_or_default().trim();
    if !line.starts_with("ffmpeg version") {
        return Err(ProbeError::NotFfmpeg { answer: line.chars().take(80).collect() });
    }
    let encoders = answer(ffmpeg.command().arg("-encoders"), cancel)?;
    let has_libx264 = encoders.split_whitespace().any(|word| word == "libx264");
    Ok(FfmpegVersion { line: line.to_owned(), has_libx264 })
}

fn answer(command: &mut Command, cancel: &CancellationToken) -> Result<String, ProbeError> {
    let output = run(command, b"", ANSWER_LIMIT_BYTES, cancel).map_err(ProbeError::Program)?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_installed_ffmpeg_says_its_version_and_has_libx264() {
        let found = probe(&Ffmpeg::default(), &CancellationToken::new()).unwrap();
        assert!(found.line.starts_with("ffmpeg version "), "{}", found.line);
        assert!(found.has_libx264);
    }

    #[test]
    fn a_missing_program_is_named_in_the_cause() {
        let error = probe(&Ffmpeg::at("duolip-no-such"), &CancellationToken::new()).unwrap_err();
        let ProbeError::Program(cause) = error else { panic!("{error}") };
        assert!(cause.to_string().contains("duolip-no-such"), "{cause}");
    }

    #[test]
    fn another_program_is_not_taken_for_ffmpeg() {
        let error = probe(&Ffmpeg::at("echo"), &CancellationToken::new()).unwrap_err();
        assert!(matches!(error, ProbeError::NotFfmpeg { answer } if answer.contains("-version")));
    }
}
