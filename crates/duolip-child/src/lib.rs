//! Child processes whose end is never swallowed.
//!
//! Every adapter that starts a program (ffmpeg, espeak-ng) starts it here. A [`Child`] keeps the
//! tail of its stderr, gives its exit status back as a typed error, and is killed and reaped when
//! it is dropped: on failure, on panic and on cancellation alike. Knows nothing of speech or video.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How much of a child's stderr is kept: the last lines say what went wrong.
const STDERR_TAIL_BYTES: usize = 4096;

/// How often a waiting parent looks at the child and at the cancellation token.
const POLL: Duration = Duration::from_millis(5);

/// Why a child process did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// The program could not be started; most often it is not installed.
    #[error("{program} could not be started")]
    NotStarted {
        /// The program's name.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The program ended with a failure.
    #[error("{program} ended with {status}: {}", or_silence(stderr_tail))]
    Failed {
        /// The program's name.
        program: String,
        /// Its exit status, or the signal that ended it.
        status: ExitStatus,
        /// The last lines it wrote to stderr.
        stderr_tail: String,
    },
    /// A pipe to or from the program broke, though the program itself reported success.
    #[error("the pipe to {program} broke")]
    Pipe {
        /// The program's name.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The program wrote more to its stdout than the caller allowed; it was killed.
    #[error("{program} wrote more than {limit_bytes} bytes")]
    TooMuchOutput {
        /// The program's name.
        program: String,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The job was cancelled; the program was killed.
    #[error("{program} was cancelled")]
    Cancelled {
        /// The program's name.
        program: String,
    },
}

fn or_silence(stderr_tail: &str) -> &str {
    if stderr_tail.is_empty() { "it wrote nothing to stderr" } else { stderr_tail }
}

/// A running program.
///
/// Dropping it kills and reaps the program; [`Child::finish`] waits for its regular end.
#[derive(Debug)]
pub struct Child {
    program: String,
    process: std::process::Child,
    stderr: Stderr,
}

/// What a program writes to stderr, which it closes at its end.
#[derive(Debug)]
enum Stderr {
    Open(Receiver<String>),
    Closed { tail: String },
}

impl Child {
    /// Starts `command` with its stderr (and, unless the caller set them otherwise, its stdin and
    /// stdout) under our control.
    ///
    /// # Errors
    /// [`ChildError::NotStarted`] when the program is missing or may not be run, or no thread can be
    /// had to read its stderr.
    pub fn start(command: &mut Command) -> Result<Self, ChildError> {
        let program = command.get_program().to_string_lossy().into_owned();
        // A group of its own: Ctrl-C at a terminal is for us, and we decide what becomes of the job.
        let process = command
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| ChildError::NotStarted { program: program.clone(), source })?;
        let (closed, stderr) = mpsc::sync_channel(1);
        let mut child = Self { program, process, stderr: Stderr::Open(stderr) };
        let pipe = child.process.stderr.take();
        // Nobody receives it once the child has been dropped.
        std::thread::Builder::new()
            .spawn(move || closed.send(pipe.map(tail_of).unwrap_or_default()))
            .map_err(|source| ChildError::NotStarted { program: child.program.clone(), source })?;
        Ok(child)
    }

    /// The program's stdin, once, when it was piped.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.process.stdin.take()
    }

    /// The program's stdout, once, when it was piped.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Closes stdin and waits for the program's end.
    ///
    /// # Errors
    /// [`ChildError::Failed`] with the exit status and the stderr tail.
    ///
    /// # Cancellation
    /// Kills the program and answers [`ChildError::Cancelled`] within a few milliseconds.
    pub fn finish(mut self, cancel: &CancellationToken) -> Result<(), ChildError> {
        drop(self.process.stdin.take());
        let status = loop {
            match self.process.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if cancel.is_cancelled() => {
                    return Err(ChildError::Cancelled { program: self.program.clone() });
                }
                Ok(None) => self.stderr.wait(POLL),
                Err(source) => return Err(self.pipe(source)),
            }
        };
        if status.success() {
            return Ok(());
        }
        Err(ChildError::Failed {
            program: self.program.clone(),
            status,
            stderr_tail: self.stderr.tail(),
        })
    }

    /// What a broken pipe really means: the program's own failure when it failed, else the pipe's.
    #[must_use]
    pub fn broken_pipe(self, source: std::io::Error, cancel: &CancellationToken) -> ChildError {
        let program = self.program.clone();
        match self.finish(cancel) {
            Err(failure) => failure,
            Ok(()) => ChildError::Pipe { program, source },
        }
    }

    fn pipe(&self, source: std::io::Error) -> ChildError {
        ChildError::Pipe { program: self.program.clone(), source }
    }
}

impl Stderr {
    /// Waits until it is closed, but no longer than this. When it is closed already the program is about
    /// to end, and the wait is a short one.
    fn wait(&mut self, longest: Duration) {
        match self {
            Self::Open(closed) => {
                let tail = match closed.recv_timeout(longest) {
                    Err(RecvTimeoutError::Timeout) => return,
                    closed => closed.unwrap_or_default(),
                };
                *self = Self::Closed { tail };
            }
            Self::Closed { .. } => std::thread::sleep(longest / 50),
        }
    }

    /// Its last words; blocks until it is closed.
    fn tail(&mut self) -> String {
        match self {
            Self::Open(closed) => closed.recv().unwrap_or_default(),
            Self::Closed { tail } => std::mem::take(tail),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only when the program has ended and been reaped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs `command` to its end: writes `input` to its stdin and gives back what it wrote to stdout.
///
/// # Errors
/// Any [`ChildError`]; [`ChildError::TooMuchOutput`] when stdout passes `limit_bytes`.
///
/// # Cancellation
/// Kills the program.
pub fn run(
    command: &mut Command,
    input: &[u8],
    limit_bytes: usize,
    cancel: &CancellationToken,
) -> Result<Vec<u8>, ChildError> {
    let mut child = Child::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let stdin = child.take_stdin();
    let stdout = child.take_stdout();
    std::thread::scope(|scope| {
        // A program may stop reading early and still succeed, so a failed write is no error of its
        // own: the exit status decides.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input)));
        let reader = scope.spawn(move || read_up_to(stdout, limit_bytes));
        while !reader.is_finished() {
            if cancel.is_cancelled() {
                let program = child.program.clone();
                drop(child);
                return Err(ChildError::Cancelled { program });
            }
            std::thread::sleep(POLL);
        }
        match reader.join() {
            Ok(Ok(Some(output))) => {
                child.finish(cancel)?;
                Ok(output)
            }
            Ok(Ok(None)) => {
                Err(ChildError::TooMuchOutput { program: child.program.clone(), limit_bytes })
            }
            Ok(Err(source)) => Err(child.broken_pipe(source, cancel)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// All of `pipe`, or `None` when it holds more than `limit_bytes`.
fn read_up_to(pipe: Option<ChildStdout>, limit_bytes: usize) -> std::io::Result<Option<Vec<u8>>> {
    let mut output = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(limit_bytes as u64 + 1).read_to_end(&mut output)?;
    }
    Ok((output.len() <= limit_bytes).then_some(output))
}

fn tail_of(mut pipe: impl Read) -> String {
    let mut tail = VecDeque::with_capacity(STDERR_TAIL_BYTES);
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        tail.extend(&buffer[..count]);
        let excess = tail.len().saturating_sub(STDERR_TAIL_BYTES);
        tail.drain(..excess);
    }
    String::from_utf8_lossy(tail.make_contiguous()).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn input_reaches_the_program_and_its_output_comes_back() {
        let output = run(&mut Command::new("cat"), b"hello", LIMIT, &CancellationToken::new());
        assert_eq!(output.unwrap(), b"hello");
    }

    #[test]
    fn a_failure_keeps_its_exit_status_and_the_last_words_on_stderr() {
        let error =
            run(&mut shell("echo out of tape >&2; exit 3"), b"", LIMIT, &CancellationToken::new());
        let text = error.unwrap_err().to_string();
        assert!(text.contains("exit status: 3") && text.contains("out of tape"), "{text}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("duolip-no-such"), b"", LIMIT, &CancellationToken::new());
        assert!(error.unwrap_err().to_string().contains("duolip-no-such"));
    }

    #[test]
    fn a_program_that_ignores_its_input_may_still_succeed() {
        let input = vec![0; LIMIT];
        assert_eq!(
            run(&mut Command::new("true"), &input, LIMIT, &CancellationToken::new()).unwrap(),
            b""
        );
    }

    #[test]
    fn output_over_the_limit_is_refused() {
        let error = run(&mut shell("yes"), b"", 1000, &CancellationToken::new()).unwrap_err();
        assert!(matches!(error, ChildError::TooMuchOutput { limit_bytes: 1000, .. }));
    }

    #[test]
    fn cancellation_kills_a_program_that_would_never_end() {
        let cancel = CancellationToken::new();
        let canceller = cancel.clone();
        let thread =
            std::thread::spawn(move || run(&mut shell("exec sleep 1000"), b"", LIMIT, &cancel));
        std::thread::sleep(Duration::from_millis(50));
        canceller.cancel();
        assert!(matches!(thread.join().unwrap(), Err(ChildError::Cancelled { .. })));
    }
}
