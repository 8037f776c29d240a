//! Where the errors of all stages meet: a stage, a kind out of a short closed list, and the cause.
//!
//! Each stage has its own error type; it says its kind through [`Classify`]. What a kind means to
//! the outside (HTTP status, exit code) is not known here: see duolip-service's `errors`.

use std::error::Error;
use std::fmt;

use serde::Serialize;

/// What the caller can do about an error. A closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be read at all: not JSON, not multipart.
    Unparsable,
    /// The request can be read and is wrong.
    InvalidInput,
    /// The request is larger, in bytes, than is taken.
    TooLarge,
    /// The request is over a limit: duration, characters, pixels.
    LimitExceeded,
    /// A name in the request is in no registry.
    NotFound,
    /// The avatar shows no face.
    NoFace,
    /// A lip-sync model that the request needs is not loaded.
    PairRequired,
    /// All places are taken; try again soon.
    Overloaded,
    /// The process is still warming up; try again soon.
    NotReady,
    /// The GPU has no memory left.
    GpuOutOfMemory,
    /// The job took longer than it may.
    DeadlineExceeded,
    /// The caller went away.
    Cancelled,
    /// A service that the job needs failed.
    Upstream,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the error table.
    pub const ALL: [Self; 14] = [
        Self::Unparsable,
        Self::InvalidInput,
        Self::TooLarge,
        Self::LimitExceeded,
        Self::NotFound,
        Self::NoFace,
        Self::PairRequired,
        Self::Overloaded,
        Self::NotReady,
        Self::GpuOutOfMemory,
        Self::DeadlineExceeded,
        Self::Cancelled,
        Self::Upstream,
        Self::Internal,
    ];
}

/// The stage of a job in which an error arose. Named as in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Checking the request.
    Validate,
    /// Synthesising or decoding the speech.
    Speak,
    /// Computing the mel spectrogram.
    Mel,
    /// Preparing the avatar.
    Face,
    /// Painting mouths.
    LipSync,
    /// Encoding segments and the speech.
    Encode,
    /// Joining the segments.
    Concat,
    /// Handing the video over.
    Deliver,
}

impl fmt::Display for Stage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Validate => "validate",
            Self::Speak => "speak",
            Self::Mel => "mel",
            Self::Face => "face",
            Self::LipSync => "lip_sync",
            Self::Encode => "encode",
            Self::Concat => "concat",
            Self::Deliver => "deliver",
        })
    }
}

/// A stage's error that knows its kind.
pub trait Classify: Error + Send + Sync + 'static {
    /// What the caller can do about it.
    fn kind(&self) -> ErrorKind;
}

/// The error of a job.
///
/// `Display` is the message for the caller; [`JobError::chain`] is the message for the log.
#[derive(Debug)]
pub struct JobError {
    stage: Stage,
    kind: ErrorKind,
    cause: Box<dyn Error + Send + Sync>,
}

impl JobError {
    /// `cause`, which arose in `stage`.
    pub fn new(stage: Stage, cause: impl Classify) -> Self {
        Self { stage, kind: cause.kind(), cause: Box::new(cause) }
    }

    /// For `map_err`: wraps a cause that arises in `stage`.
    pub fn at<E: Classify>(stage: Stage) -> impl Fn(E) -> Self {
        move |cause| Self::new(stage, cause)
    }

    /// An error of `kind` at the edge of the program, where `cause` has no type of its own.
    pub fn with_kind(
        stage: Stage,
        kind: ErrorKind,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { stage, kind, cause: cause.into() }
    }

    /// Where it arose.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The whole chain of causes, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        chain(&*self.cause)
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl fmt::Display for JobError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(formatter)
    }
}

impl Error for JobError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}
