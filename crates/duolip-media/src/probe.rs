//! Which ffmpeg and which x264 are installed, for health and the doctor.

use std::process::Command;

use duolip_child::{ChildError, run};
use duolip_pipeline::CancellationToken;

use crate::program::Ffmpeg;
use crate::x264::{NAME, X264};

/// More than any build of ffmpeg has to say about itself, in bytes.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// Why an installed program is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It is not installed, may not be run, or fails even to say its version.
    #[error("{program} could not be asked for its version")]
    Program {
        /// Its name.
        program: &'static str,
        /// What became of it.
        source: ChildError,
    },
    /// The program answers, but not as the one that is wanted does.
    #[error("the program does not say it is {program}; it begins with {answer:?}")]
    Other {
        /// The name of the one that is wanted.
        program: &'static str,
        /// The beginning of what it says.
        answer: String,
    },
}

impl Ffmpeg {
    /// The first line of `ffmpeg -version`. Blocks for some hundredths of a second.
    ///
    /// # Errors
    /// [`ProbeError`].
    ///
    /// # Cancellation
    /// Stops within milliseconds, as [`ProbeError::Program`].
    pub fn version(&self, cancel: &CancellationToken) -> Result<String, ProbeError> {
        answer("ffmpeg", "ffmpeg version", self.command().arg("-version"), cancel)
    }
}

impl X264 {
    /// What `duolip-x264 --version` says: its own version and x264's. Blocks for milliseconds.
    ///
    /// # Errors
    /// [`ProbeError`].
    ///
    /// # Cancellation
    /// Stops within milliseconds, as [`ProbeError::Program`].
    pub fn version(&self, cancel: &CancellationToken) -> Result<String, ProbeError> {
        answer(NAME, NAME, self.command().arg("--version"), cancel)
    }
}

/// The first line that `command` says, which begins with `beginning`.
fn answer(
    program: &'static str,
    beginning: &str,
    command: &mut Command,
    cancel: &CancellationToken,
) -> Result<String, ProbeError> {
    let output = run(command, b"", ANSWER_LIMIT_BYTES, cancel)
        .map_err(|source| ProbeError::Program { program, source })?;
    let said = String::from_utf8_lossy(&output);
    let line = said.lines().next().unwrap_or_default().trim();
    if !line.starts_with(beginning) {
        let answer = line.chars().take(80).collect();
        return Err(ProbeError::Other { program, answer });
    }
    Ok(line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_cancel() -> CancellationToken {
        CancellationToken::new()
    }

    #[test]
    fn the_installed_programs_say_their_versions() {
        let ffmpeg = Ffmpeg::default().version(&no_cancel()).unwrap();
        assert!(ffmpeg.starts_with("ffmpeg version "), "{ffmpeg}");
        let x264 = X264::default().version(&no_cancel()).unwrap();
        assert!(x264.contains(", x264 0."), "{x264}");
    }

    #[test]
    fn a_missing_program_is_named_in_the_cause() {
        let missing = [
            Ffmpeg::at("duolip-no-such").version(&no_cancel()),
            X264::at("duolip-no-such").version(&no_cancel()),
        ];
        for error in missing.map(Result::unwrap_err) {
            let ProbeError::Program { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().contains("duolip-no-such"), "{source}");
        }
    }

    #[test]
    fn another_program_is_not_taken_for_the_wanted_one() {
        let answers =
            [Ffmpeg::at("echo").version(&no_cancel()), X264::at("echo").version(&no_cancel())];
        for answer in answers {
            assert!(matches!(&answer, Err(ProbeError::Other { .. })), "{answer:?}");
        }
    }
}
