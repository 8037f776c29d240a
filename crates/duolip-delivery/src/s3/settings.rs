//! What an S3 store is told, checked before anything is uploaded.

use std::time::Duration;

use url::Url;

use super::connection::S3Connection;
use crate::key::prefix_fault;

/// S3's limits: a part has at least 5 MiB, but for the last, and neither a part nor an upload in
/// one request more than 5 GiB.
pub(super) const SMALLEST_PART_BYTES: u64 = 5 << 20;
const LARGEST_PART_BYTES: u64 = 5 << 30;

/// S3's limit for the life of a presigned URL.
const LONGEST_EXPIRY: Duration = Duration::from_hours(7 * 24);

/// Which checksum goes with an upload, for the server to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum S3Checksum {
    /// The CRC32 that AWS keeps with the object.
    Crc32,
    /// The MD5 of HTTP's Content-MD5, which servers other than AWS know too.
    ContentMd5,
}

/// Where an S3 store keeps its artifacts and how they are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Settings {
    /// The bucket; it must exist.
    pub bucket: String,
    /// What keys begin with: `""`, `videos` or `videos/today`.
    pub prefix: String,
    /// The server.
    pub connection: S3Connection,
    /// A URL prefix under which the bucket can be read (a CDN); `None`: presigned URLs.
    pub public_url: Option<String>,
    /// How long a presigned URL works, in whole seconds; 1 s to 7 days. With temporary credentials
    /// it ends with them if that is sooner.
    pub url_expiry: Duration,
    /// A file larger than this is uploaded in parts; at most 5 GiB.
    pub multipart_threshold_bytes: u64,
    /// The size of a part; 5 MiB to 5 GiB. Larger where 10 000 parts would not do.
    pub part_bytes: u64,
    /// How many parts are under way at a time; 1 to 64.
    pub parts_at_once: usize,
    /// The checksum; `None`: CRC32 on AWS, Content-MD5 where an endpoint is given.
    pub checksum: Option<S3Checksum>,
}

impl S3Settings {
    /// `bucket` on AWS: no prefix, presigned URLs for a day, parts of 8 MiB from 16 MiB on.
    #[must_use]
    pub fn new(bucket: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            prefix: String::new(),
            connection: S3Connection::default(),
            public_url: None,
            url_expiry: Duration::from_hours(24),
            multipart_threshold_bytes: 16 << 20,
            part_bytes: 8 << 20,
            parts_at_once: 4,
            checksum: None,
        }
    }

    pub(super) fn check(&self) -> Result<(), S3SettingsError> {
        if let Some(reason) = bucket_fault(&self.bucket) {
            return Err(S3SettingsError::BadBucket { bucket: self.bucket.clone(), reason });
        }
        if let Some(reason) = prefix_fault(&self.prefix) {
            return Err(S3SettingsError::BadPrefix { prefix: self.prefix.clone(), reason });
        }
        if let Some(public_url) = &self.public_url {
            web_url("public_url", public_url)?;
        }
        let seconds = self.url_expiry.as_secs();
        within("url_expiry in seconds", seconds, 1, LONGEST_EXPIRY.as_secs())?;
        let threshold = self.multipart_threshold_bytes;
        within("multipart_threshold_bytes", threshold, 0, LARGEST_PART_BYTES)?;
        within("part_bytes", self.part_bytes, SMALLEST_PART_BYTES, LARGEST_PART_BYTES)?;
        within("parts_at_once", self.parts_at_once as u64, 1, 64)
    }

    pub(super) fn checksum(&self) -> S3Checksum {
        self.checksum.unwrap_or(match self.connection.endpoint {
            None => S3Checksum::Crc32,
            Some(_) => S3Checksum::ContentMd5,
        })
    }
}

/// Why settings cannot be used. Found before anything is asked of the server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum S3SettingsError {
    /// No bucket can have this name.
    #[error("{bucket:?} cannot be the name of a bucket: {reason}")]
    BadBucket {
        /// The name.
        bucket: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Keys cannot begin with this prefix.
    #[error("the prefix {prefix:?} cannot be used: {reason}")]
    BadPrefix {
        /// The prefix.
        prefix: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A URL that is none, or not one of the web. It is not shown: it may hold a password.
    #[error("{setting} cannot be used: {reason}")]
    BadUrl {
        /// Which setting.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A number outside its limits.
    #[error("{setting} is {value}, which is not between {least} and {most}")]
    OutOfRange {
        /// Which setting.
        setting: &'static str,
        /// The value.
        value: u64,
        /// The least it may be.
        least: u64,
        /// The most it may be.
        most: u64,
    },
}

/// What is wrong with the name of a bucket. AWS asks for more; other servers do not.
pub(super) fn bucket_fault(bucket: &str) -> Option<&'static str> {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !(3..=255).contains(&bucket.len()) {
        Some("it has fewer than 3 or more than 255 characters")
    } else if !bucket.bytes().all(known) {
        Some("it has characters other than letters, digits, '.', '_' and '-'")
    } else {
        None
    }
}

pub(super) fn within(
    setting: &'static str,
    value: u64,
    least: u64,
    most: u64,
) -> Result<(), S3SettingsError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(S3SettingsError::OutOfRange { setting, value, least, most })
}

/// `url`, read, when it is one of a web server, without credentials and query.
pub(super) fn web_url(setting: &'static str, url: &str) -> Result<Url, S3SettingsError> {
    let bad = |reason: &str| S3SettingsError::BadUrl { setting, reason: reason.to_owned() };
    let url = Url::parse(url).map_err(|error| bad(&format!("it is not a URL ({error})")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it begins with neither http:// nor https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it holds a user name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has something after a ? or #"));
    }
    Ok(url)
}
