//! Objects by their location: manifests that are read, results that are written.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use duolip_pipeline::error::{Classify, ErrorKind};

use super::connection::{LazyClient, S3Connection};
use super::location::S3Location;
use super::settings::S3SettingsError;
use super::verdict::Verdict;

/// Reads and writes small objects anywhere on one S3 server.
#[derive(Debug)]
pub struct S3Objects {
    client: LazyClient,
}

/// An object as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub content: Vec<u8>,
    /// Which state of the object they are.
    pub state: ObjectState,
}

/// What lies at a location: what a write may replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectState {
    /// Nothing.
    Missing,
    /// What has this entity tag.
    Tagged(String),
    /// Whatever it is: the server does not tell states apart.
    Unknown,
}

impl ObjectState {
    fn of(entity_tag: Option<&str>) -> Self {
        entity_tag.map_or(Self::Unknown, |tag| Self::Tagged(tag.to_owned()))
    }
}

/// Why an object was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("there is no {location}")]
    NotFound {
        /// Where.
        location: S3Location,
    },
    /// The server refuses: wrong credentials, no such bucket, no permission. AWS answers so, too,
    /// for an object that is missing, to whoever may not list the bucket.
    #[error("{location} was refused; its credentials, bucket and permissions need a look")]
    Refused {
        /// Where.
        location: S3Location,
        /// What the server said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The server does not answer, or fails, after all retries.
    #[error("{location} could not be reached")]
    Unavailable {
        /// Where.
        location: S3Location,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Somebody else has written it since it was read.
    #[error("{location} was written by somebody else meanwhile")]
    Changed {
        /// Where.
        location: S3Location,
    },
    /// The object is larger than it may be.
    #[error("{location} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Where.
        location: S3Location,
        /// The limit.
        limit_bytes: u64,
    },
}

impl Classify for ObjectError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Changed { .. } => ErrorKind::Overloaded,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Refused { .. } | Self::Unavailable { .. } => ErrorKind::Upstream,
        }
    }
}

impl S3Objects {
    /// The objects on the server of `connection`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// [`S3SettingsError`].
    pub fn new(connection: S3Connection) -> Result<Self, S3SettingsError> {
        Ok(Self { client: LazyClient::new(connection)? })
    }

    /// The object at `location`, which may have `limit_bytes`.
    ///
    /// # Errors
    /// [`ObjectError`], though never [`ObjectError::Changed`].
    pub async fn read(
        &self,
        location: &S3Location,
        limit_bytes: u64,
    ) -> Result<Object, ObjectError> {
        let client = self.client.get().await;
        let request = client.get_object().bucket(location.bucket()).key(location.key());
        let mut answer = request.send().await.map_err(|error| object_error(location, error).0)?;
        let too_large = || ObjectError::TooLarge { location: location.clone(), limit_bytes };
        let length = answer.content_length().and_then(|length| u64::try_from(length).ok());
        if length.is_some_and(|length| length > limit_bytes) {
            return Err(too_large());
        }
        let (mut content, state) = (Vec::new(), ObjectState::of(answer.e_tag()));
        while let Some(bytes) = answer.body.try_next().await.map_err(|error| {
            ObjectError::Unavailable { location: location.clone(), source: error.into() }
        })? {
            if (content.len() + bytes.len()) as u64 > limit_bytes {
                return Err(too_large());
            }
            content.extend_from_slice(&bytes);
        }
        Ok(Object { content, state })
    }

    /// Writes `content`, of the type `media_type`, to `location`, if what lies there is still `over`;
    /// gives what lies there now. A server that knows no conditions replaces what is there.
    ///
    /// # Errors
    /// [`ObjectError`], though never [`ObjectError::NotFound`] and [`ObjectError::TooLarge`].
    pub async fn write(
        &self,
        location: &S3Location,
        content: Vec<u8>,
        media_type: &str,
        over: &ObjectState,
    ) -> Result<ObjectState, ObjectError> {
        let content = Bytes::from(content);
        let written = self.put(location, content.clone(), media_type, over).await;
        let (error, verdict) = match written {
            Ok(state) => return Ok(state),
            Err(failure) => failure,
        };
        match verdict {
            // The server may have done what its answer, which was lost, would have said.
            Verdict::Changed => {
                let there = self.read(location, content.len() as u64).await;
                let there = there.ok().filter(|object| object.content == content);
                there.map(|object| object.state).ok_or(error)
            }
            Verdict::NotImplemented if *over != ObjectState::Unknown => {
                tracing::warn!(%location, "the server knows no conditions: two may write at once");
                let written = self.put(location, content, media_type, &ObjectState::Unknown).await;
                written.map(|_| ObjectState::Unknown).map_err(|(error, _)| error)
            }
            _ => Err(error),
        }
    }

    async fn put(
        &self,
        location: &S3Location,
        content: Bytes,
        media_type: &str,
        over: &ObjectState,
    ) -> Result<ObjectState, (ObjectError, Verdict)> {
        let client = self.client.get().await;
        let patience = self.client.connection().patience_for(content.len() as u64);
        let (absent, tag) = match over {
            ObjectState::Missing => (Some("*".to_owned()), None),
            ObjectState::Tagged(tag) => (None, Some(tag.clone())),
            ObjectState::Unknown => (None, None),
        };
        let answer = client
            .put_object()
            .bucket(location.bucket())
            .key(location.key())
            .content_type(media_type)
            .set_if_none_match(absent)
            .set_if_match(tag)
            .body(ByteStream::from(content))
            .customize()
            .config_override(patience)
            .send()
            .await;
        let answer = answer.map_err(|error| object_error(location, error))?;
        Ok(ObjectState::of(answer.e_tag()))
    }
}

fn object_error<E>(
    location: &S3Location,
    error: SdkError<E, HttpResponse>,
) -> (ObjectError, Verdict)
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let (location, verdict) = (location.clone(), Verdict::of(&error));
    let error = match verdict {
        Verdict::NotFound => ObjectError::NotFound { location },
        Verdict::Changed => ObjectError::Changed { location },
        Verdict::Refused => ObjectError::Refused { location, source: error.into() },
        Verdict::NotImplemented | Verdict::Unavailable => {
            ObjectError::Unavailable { location, source: error.into() }
        }
    };
    (error, verdict)
}
