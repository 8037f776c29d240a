//! What the platform says in place of what was asked for. Knows nothing of what is asked.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Response, StatusCode};

use super::address::BadAddress;

/// Bytes of an answer that is not what was asked for that are read, and characters of it that are
/// logged.
const ODD_BYTES: usize = 4096;
const ODD_CHARS: usize = 160;

/// The platform did not do what was asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlatformError {
    /// A template makes no URL.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// No answer.
    #[error("the platform cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// The answer broke off.
    #[error("the platform's answer did not arrive whole")]
    Broken(#[source] reqwest::Error),
    /// An answer that says no.
    #[error("the platform answered {status}: {words:?}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// How the answer begins.
        words: String,
    },
    /// An answer that is no JSON: a page of a proxy, most likely.
    #[error("the platform answered {media_type:?} instead of JSON: {words:?}")]
    NotJson {
        /// What it is.
        media_type: String,
        /// How it begins.
        words: String,
    },
    /// An answer that says to be JSON and is not, or not of the form that was asked for.
    #[error("the platform's JSON cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// An answer larger than any that we take.
    #[error("the platform's answer has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
}

/// A result that did not arrive.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unposted {
    /// The platform did not take it.
    #[error("the platform did not take the result in {attempts} attempts")]
    NotTaken {
        /// How often it was posted.
        attempts: u32,
        /// What it said at last.
        source: PlatformError,
    },
    /// The worker had to end.
    #[error("the worker ended before the platform took the result")]
    Hurried,
}

impl PlatformError {
    /// Whether the same request will be refused again. What a busy or broken server says is no
    /// refusal.
    pub(super) fn is_refusal(&self) -> bool {
        match self {
            Self::Address(_) => true,
            Self::Refused { status, .. } => {
                status.is_client_error() && ![408, 425, 429].contains(&status.as_u16())
            }
            _ => false,
        }
    }
}

/// The address is left out: it is in the configuration, and logs go further than that.
pub(super) fn unreachable(error: reqwest::Error) -> PlatformError {
    PlatformError::Unreachable(error.without_url())
}

pub(super) fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

pub(super) async fn refused(response: Response) -> PlatformError {
    PlatformError::Refused { status: response.status(), words: first_words(response).await }
}

pub(super) async fn not_json(response: Response) -> PlatformError {
    let media_type = media_type(&response);
    PlatformError::NotJson { media_type, words: first_words(response).await }
}

/// How an answer begins, in one line.
async fn first_words(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < ODD_BYTES {
        // What has arrived says enough.
        let Ok(Some(piece)) = response.chunk().await else { break };
        body.extend_from_slice(&piece);
    }
    body.truncate(ODD_BYTES);
    let text = String::from_utf8_lossy(&body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().take(ODD_CHARS).collect()
}
