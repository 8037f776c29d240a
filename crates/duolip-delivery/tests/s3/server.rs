//! Settings for the S3-compatible server of the tests.

use duolip_delivery::{S3Connection, S3Credentials, S3Settings};
use duolip_testkit::s3::{ACCESS_KEY, SECRET_KEY};
pub(crate) use duolip_testkit::s3::{BUCKET, S3Server as Server};

/// Settings for a server, or what stands before it, at `port`.
pub(crate) fn settings(port: u16) -> S3Settings {
    S3Settings { connection: connection(port), ..S3Settings::new(BUCKET) }
}

/// Quick to give up, so that no test waits long; patient enough for a busy machine.
pub(crate) fn connection(port: u16) -> S3Connection {
    S3Connection {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        credentials: Some(S3Credentials {
            access_key_id: ACCESS_KEY.to_owned(),
            secret_access_key: SECRET_KEY.to_owned(),
            session_token: None,
        }),
        attempts: 2,
        ..S3Connection::default()
    }
}
