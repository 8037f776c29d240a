//! What an S3 server's failure means: may it go better another time, or are the settings wrong?

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use duolip_pipeline::deliver::DeliverError;

/// Codes of answers in the 400s that are about this one transfer and not about the settings.
const TRANSFER_CODES: [&str; 6] = [
    "BadDigest",
    "IncompleteBody",
    "InvalidPart",
    "NoSuchUpload",
    "RequestTimeout",
    "XAmzContentSHA256Mismatch",
];

/// What the SDK says when nobody has named a region.
const NO_REGION: &str = "region must be set";

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no such object.
    NotFound,
    /// Credentials, bucket, region or permissions are wrong, or there are none.
    Refused,
    /// A condition of the request does not hold.
    Changed,
    /// The server has not got what was asked for.
    NotImplemented,
    /// No answer, or a failure that may pass.
    Unavailable,
}

impl Verdict {
    pub(super) fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        match error {
            // A bucket that cannot stand in a URL.
            SdkError::ConstructionFailure(_) => Self::Refused,
            SdkError::ServiceError(answer) => {
                Self::of_answer(answer.raw().status().as_u16(), answer.err().code())
            }
            other => Self::of_unsent(other),
        }
    }

    fn of_answer(status: u16, code: Option<&str>) -> Self {
        match (status, code) {
            (_, Some("NoSuchKey")) => Self::NotFound,
            (_, Some(code)) if TRANSFER_CODES.contains(&code) => Self::Unavailable,
            (412, _) | (409, Some("ConditionalRequestConflict")) => Self::Changed,
            (501, _) => Self::NotImplemented,
            (408 | 429, _) => Self::Unavailable,
            // A redirection is to another region, or from a server that speaks no S3.
            (300..=499, _) => Self::Refused,
            _ => Self::Unavailable,
        }
    }

    /// A request that was not answered may not have been sent for want of credentials or a region.
    fn of_unsent(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // The SDK has no type for it that could be named here.
            if error.to_string().contains(NO_REGION) {
                return Self::Refused;
            }
            match error.downcast_ref() {
                Some(
                    CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_),
                ) => {
                    return Self::Unavailable;
                }
                Some(_) => return Self::Refused,
                None => cause = error.source(),
            }
        }
        Self::Unavailable
    }
}

/// `error` of an upload to `store`.
pub(super) fn deliver_error<E>(store: &str, error: SdkError<E, HttpResponse>) -> DeliverError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let store = store.to_owned();
    match Verdict::of(&error) {
        // Videos are put without conditions.
        Verdict::Refused | Verdict::Changed => {
            DeliverError::Refused { store, source: error.into() }
        }
        Verdict::NotFound | Verdict::NotImplemented | Verdict::Unavailable => {
            DeliverError::Unavailable { store, source: error.into() }
        }
    }
}
