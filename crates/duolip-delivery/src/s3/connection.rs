//! How an S3 server is reached: address, region, credentials, patience. It knows no buckets.

use std::fmt;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use tokio::sync::OnceCell;

use super::settings::{S3SettingsError, web_url, within};

/// What the SDK changes by itself is taken over on purpose, with a new version here.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// The region of servers that have none: they take any, and know this one.
const REGION_OF_NONE: &str = "us-east-1";

/// An access key.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// Its public half.
    pub access_key_id: String,
    /// Its secret half.
    pub secret_access_key: String,
    /// What temporary credentials have in addition.
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("secret_access_key", &"redacted")
            .field("session_token", &self.session_token.as_ref().map(|_| "redacted"))
            .finish()
    }
}

/// How an S3 server is reached, and how patiently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Connection {
    /// The region; `None`: the one the AWS SDK finds, or any where an endpoint is given.
    pub region: Option<String>,
    /// The server's URL; `None`: AWS.
    pub endpoint: Option<String>,
    /// Whether the bucket stands in the URL's path instead of its host name; `None`: where an
    /// endpoint is given.
    pub path_style: Option<bool>,
    /// The access key; `None`: what the AWS SDK finds (environment, profile, container, instance).
    pub credentials: Option<S3Credentials>,
    /// How often a request is tried, with growing pauses; 1 to 20.
    pub attempts: u32,
    /// How long establishing a connection may take; 100 ms to an hour.
    pub connect_timeout: Duration,
    /// How long the server may take to answer, or an upload may stand still; 100 ms to an hour.
    pub answer_timeout: Duration,
    /// The least speed that is put up with: a request is given time for its bytes at this rate.
    pub slowest_bytes_per_second: u64,
}

impl Default for S3Connection {
    fn default() -> Self {
        Self {
            region: None,
            endpoint: None,
            path_style: None,
            credentials: None,
            attempts: 4,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            slowest_bytes_per_second: 128 << 10,
        }
    }
}

impl S3Connection {
    pub(super) fn check(&self) -> Result<(), S3SettingsError> {
        if let Some(endpoint) = &self.endpoint {
            web_url("endpoint", endpoint)?;
        }
        let hour_ms = 3_600_000;
        within("attempts", u64::from(self.attempts), 1, 20)?;
        within("connect_timeout in ms", as_ms(self.connect_timeout), 100, hour_ms)?;
        within("answer_timeout in ms", as_ms(self.answer_timeout), 100, hour_ms)?;
        within("slowest_bytes_per_second", self.slowest_bytes_per_second, 1, u64::MAX)
    }

    /// What gives one request the time that `body_bytes` may take.
    pub(super) fn patience_for(&self, body_bytes: u64) -> Builder {
        self.patience(Duration::from_secs(body_bytes / self.slowest_bytes_per_second))
    }

    /// What gives one request `work` more than any answer may take.
    pub(super) fn patience(&self, work: Duration) -> Builder {
        let timeouts =
            TimeoutConfig::builder().operation_attempt_timeout(self.answer_timeout + work).build();
        Builder::new().timeout_config(timeouts)
    }

    /// `None` where credentials or region are the SDK's affair: finding them may take the network.
    fn given(&self) -> Option<Builder> {
        let credentials = self.credentials.as_ref()?;
        let region = self.region_or_any()?;
        let builder = Builder::new()
            .behavior_version(behavior())
            .region(Region::new(region))
            .credentials_provider(sdk_credentials(credentials));
        Some(builder)
    }

    async fn found(&self) -> Builder {
        let mut loader = aws_config::defaults(behavior());
        if let Some(region) = self.region_or_any() {
            loader = loader.region(Region::new(region));
        }
        if let Some(credentials) = &self.credentials {
            loader = loader.credentials_provider(sdk_credentials(credentials));
        }
        Builder::from(&loader.load().await)
    }

    fn region_or_any(&self) -> Option<String> {
        let any = || self.endpoint.as_ref().map(|_| REGION_OF_NONE.to_owned());
        self.region.clone().or_else(any)
    }

    async fn client(&self) -> Client {
        let mut builder = match self.given() {
            Some(builder) => builder,
            None => self.found().await,
        };
        if let Some(endpoint) = &self.endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_attempt_timeout(self.answer_timeout)
            .build();
        let stalls =
            StalledStreamProtectionConfig::enabled().grace_period(self.answer_timeout).build();
        let config = builder
            .force_path_style(self.path_style.unwrap_or(self.endpoint.is_some()))
            .retry_config(RetryConfig::standard().with_max_attempts(self.attempts))
            .timeout_config(timeouts)
            .stalled_stream_protection(stalls)
            // Checksums are ours (see `checksum.rs`): the SDK's own travel in trailers, which many
            // servers other than AWS refuse.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Client::from_conf(config)
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn sdk_credentials(credentials: &S3Credentials) -> Credentials {
    let S3Credentials { access_key_id, secret_access_key, session_token } = credentials.clone();
    Credentials::new(access_key_id, secret_access_key, session_token, None, "duolip")
}

/// A client that is made when it is first needed: what the SDK has to find may take the network.
#[derive(Debug)]
pub(super) struct LazyClient {
    connection: S3Connection,
    client: OnceCell<Client>,
}

impl LazyClient {
    pub(super) fn new(connection: S3Connection) -> Result<Self, S3SettingsError> {
        connection.check()?;
        Ok(Self { connection, client: OnceCell::new() })
    }

    pub(super) async fn get(&self) -> &Client {
        self.client.get_or_init(|| self.connection.client()).await
    }

    pub(super) fn connection(&self) -> &S3Connection {
        &self.connection
    }

    /// A bucket there, in words.
    pub(super) fn describe(&self, bucket: &str) -> String {
        match &self.connection.endpoint {
            Some(endpoint) => format!("the S3 bucket {bucket} at {endpoint}"),
            None => format!("the S3 bucket {bucket}"),
        }
    }
}
