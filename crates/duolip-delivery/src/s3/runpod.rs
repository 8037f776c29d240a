//! The bucket as RunPod names it: three variables of an endpoint, or a job's `s3Config`.
//!
//! The endpoint's URL says more than the server: most often the bucket, in its path or before the
//! host's name, and the region. The variables themselves are read by the caller.
//!
//! # Source
//! runpod-python, `runpod/serverless/utils/rp_upload.py`: `get_boto_client`. There, where no bucket
//! is named, the month is taken for its name; that is no bucket of anybody's, so it is refused here.

use std::fmt;

use url::Host;

use super::connection::{S3Connection, S3Credentials};
use super::settings::{S3Settings, S3SettingsError, web_url};

#[cfg(test)]
mod tests;

/// Behind `s3.` and `s3.REGION.` on AWS.
const AWS_DOMAINS: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// Where the four values come from: they are called by other names in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunPodSource {
    /// The endpoint's environment: `BUCKET_ENDPOINT_URL` and the like.
    #[default]
    Environment,
    /// A job's `s3Config`.
    Job,
}

/// A bucket as RunPod names it. A value that is absent or empty counts as missing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RunPodBucket {
    /// Where the values come from.
    pub source: RunPodSource,
    /// `BUCKET_ENDPOINT_URL` or `endpointUrl`.
    pub endpoint_url: Option<String>,
    /// `BUCKET_ACCESS_KEY_ID` or `accessId`.
    pub access_key_id: Option<String>,
    /// `BUCKET_SECRET_ACCESS_KEY` or `accessSecret`.
    pub secret_access_key: Option<String>,
    /// `BUCKET_NAME` or `bucketName`; may be missing where the URL carries it.
    pub bucket_name: Option<String>,
}

impl fmt::Debug for RunPodBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunPodBucket")
            .field("source", &self.source)
            .field("endpoint_url", &self.endpoint_url)
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &self.secret_access_key.as_ref().map(|_| "redacted"))
            .field("bucket_name", &self.bucket_name)
            .finish()
    }
}

/// Why RunPod's values name no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunPodBucketError {
    /// One of the values is missing.
    #[error("{name} is missing or empty")]
    Missing {
        /// Its name.
        name: &'static str,
    },
    /// Neither the URL nor a value of its own names the bucket.
    #[error(
        "{url} carries no bucket, as in https://BUCKET.s3.REGION.amazonaws.com or https://HOST/BUCKET, and {name} is missing"
    )]
    NoBucket {
        /// The URL.
        url: String,
        /// The name of the value that could name it.
        name: &'static str,
    },
    /// The URL carries one bucket, and another is named.
    #[error("the URL carries the bucket {in_url}, and {name} says {named}")]
    TwoBuckets {
        /// The URL's bucket.
        in_url: String,
        /// The name of the value that names another.
        name: &'static str,
        /// The other.
        named: String,
    },
    /// The URL carries more than a bucket.
    #[error("the path of {url} is more than a bucket")]
    LongPath {
        /// The URL.
        url: String,
    },
    /// What they name cannot be used.
    #[error(transparent)]
    Settings(#[from] S3SettingsError),
}

impl S3Settings {
    /// The settings for the bucket that RunPod names; prefix, expiry and sizes as in
    /// [`S3Settings::new`].
    ///
    /// # Errors
    /// [`RunPodBucketError`].
    pub fn from_runpod(bucket: &RunPodBucket) -> Result<Self, RunPodBucketError> {
        let [url_name, id_name, secret_name, bucket_name] = names(bucket.source);
        let url = required(bucket.endpoint_url.as_deref(), url_name)?;
        let credentials = S3Credentials {
            access_key_id: required(bucket.access_key_id.as_deref(), id_name)?,
            secret_access_key: required(bucket.secret_access_key.as_deref(), secret_name)?,
            session_token: None,
        };
        let named = bucket.bucket_name.as_deref().and_then(given);
        let address = Address::read(url_name, &url, named.as_deref())?;
        let bucket = match (address.bucket, named) {
            (Some(in_url), Some(named)) if in_url != named => {
                return Err(RunPodBucketError::TwoBuckets { in_url, name: bucket_name, named });
            }
            (Some(bucket), _) | (None, Some(bucket)) => bucket,
            (None, None) => return Err(RunPodBucketError::NoBucket { url, name: bucket_name }),
        };
        let connection = S3Connection {
            region: address.region,
            endpoint: address.endpoint,
            credentials: Some(credentials),
            ..S3Connection::default()
        };
        let settings = Self { connection, ..Self::new(bucket) };
        settings.check()?;
        Ok(settings)
    }
}

/// URL, id, secret and bucket, as `source` calls them.
fn names(source: RunPodSource) -> [&'static str; 4] {
    match source {
        RunPodSource::Environment => [
            "BUCKET_ENDPOINT_URL",
            "BUCKET_ACCESS_KEY_ID",
            "BUCKET_SECRET_ACCESS_KEY",
            "BUCKET_NAME",
        ],
        RunPodSource::Job => [
            "s3Config.endpointUrl",
            "s3Config.accessId",
            "s3Config.accessSecret",
            "s3Config.bucketName",
        ],
    }
}

/// `value` without the space around it, unless nothing is left.
fn given(value: &str) -> Option<String> {
    Some(value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
}

fn required(value: Option<&str>, name: &'static str) -> Result<String, RunPodBucketError> {
    value.and_then(given).ok_or(RunPodBucketError::Missing { name })
}

/// What an endpoint's URL says.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// The server, without the bucket; `None`: AWS, whose servers the SDK knows by region.
    endpoint: Option<String>,
    region: Option<String>,
    bucket: Option<String>,
}

impl Address {
    /// `named` helps where only a name tells a bucket from a part of the host.
    fn read(
        setting: &'static str,
        text: &str,
        named: Option<&str>,
    ) -> Result<Self, RunPodBucketError> {
        let mut url = web_url(setting, text)?;
        let mut path: Vec<String> =
            url.path().split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let in_path = path.pop();
        if !path.is_empty() {
            return Err(RunPodBucketError::LongPath { url: text.to_owned() });
        }
        url.set_path("");

        let mut host = HostName::default();
        if let Some(Host::Domain(domain)) = url.host() {
            host = HostName::read(domain);
            let behind_name = named.and_then(|named| domain.strip_prefix(named)?.strip_prefix('.'));
            if host.bucket.is_none() && behind_name.is_some() {
                host.bucket = named.map(str::to_owned);
                host.server = behind_name.map(str::to_owned);
            }
        }
        if let (Some(in_url), Some(named)) = (&host.bucket, &in_path) {
            return Err(RunPodBucketError::TwoBuckets {
                in_url: in_url.clone(),
                name: "its path",
                named: named.clone(),
            });
        }
        let endpoint = if host.aws {
            None
        } else {
            if host.server.is_some() {
                url.set_host(host.server.as_deref()).map_err(|_| no_host(setting))?;
            }
            Some(url.as_str().trim_end_matches('/').to_owned())
        };
        Ok(Self { endpoint, region: host.region, bucket: host.bucket.or(in_path) })
    }
}

fn no_host(setting: &'static str) -> S3SettingsError {
    S3SettingsError::BadUrl { setting, reason: "it has no host beside the bucket".to_owned() }
}

/// What the name of an S3 server's host says.
#[derive(Debug, Default, PartialEq, Eq)]
struct HostName {
    bucket: Option<String>,
    region: Option<String>,
    /// The host without the bucket, where there is one.
    server: Option<String>,
    aws: bool,
}

impl HostName {
    /// Reads `bucket.s3.region.provider`, with and without bucket and region, and the two providers
    /// that write it otherwise.
    fn read(host: &str) -> Self {
        if let Some(before) = host.strip_suffix(".digitaloceanspaces.com") {
            let (bucket, region) = before.rsplit_once('.').unwrap_or(("", before));
            return Self {
                bucket: given(bucket),
                region: given(region),
                server: Some(format!("{region}.digitaloceanspaces.com")),
                aws: false,
            };
        }
        if let Some((region, "runpod.io")) =
            host.strip_prefix("s3api-").and_then(|rest| rest.split_once('.'))
        {
            return Self { region: given(region), ..Self::default() };
        }
        let Some((bucket, after)) =
            host.split_once(".s3.").or_else(|| host.strip_prefix("s3.").map(|after| ("", after)))
        else {
            return Self::default();
        };
        let (first, rest) = after
            .strip_prefix("dualstack.")
            .unwrap_or(after)
            .split_once('.')
            .unwrap_or((after, ""));
        let global = AWS_DOMAINS.contains(&after);
        let region = if global {
            Some("us-east-1".to_owned())
        } else {
            rest.contains('.').then(|| first.to_owned())
        };
        Self {
            bucket: given(bucket),
            region,
            server: Some(format!("s3.{after}")),
            aws: global || AWS_DOMAINS.contains(&rest),
        }
    }
}
