//! Where one object is: `s3://bucket/key`.

use std::fmt;
use std::str::FromStr;

use super::settings::bucket_fault;

/// The place of an object: its bucket and its key there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct S3Location {
    bucket: String,
    key: String,
}

/// Text that names no place in S3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not s3://bucket/key: {reason}")]
pub struct LocationError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl S3Location {
    /// Reads `s3://bucket/key`. The key is taken as it stands: nothing in it is decoded.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let bad = |reason| LocationError { text: text.to_owned(), reason };
        let path = text.strip_prefix("s3://").ok_or_else(|| bad("it begins otherwise"))?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        if let Some(reason) = bucket_fault(bucket) {
            return Err(bad(reason));
        }
        if key.is_empty() {
            return Err(bad("it has no key"));
        }
        if key.len() > 1024 {
            return Err(bad("its key is longer than 1024 bytes"));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key in the bucket.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for S3Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl FromStr for S3Location {
    type Err = LocationError;

    fn from_str(text: &str) -> Result<Self, LocationError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_bucket_and_a_key() {
        let location = S3Location::parse("s3://my-bucket/a b/c%20d.jsonl").unwrap();
        assert_eq!((location.bucket(), location.key()), ("my-bucket", "a b/c%20d.jsonl"));
        assert_eq!(location.to_string(), "s3://my-bucket/a b/c%20d.jsonl");
    }

    #[test]
    fn what_is_no_location_is_shown_with_what_is_wrong() {
        let long = format!("s3://bucket/{}", "k".repeat(1025));
        for (text, reason) in [
            ("", "it begins otherwise"),
            ("https://bucket.s3.amazonaws.com/key", "it begins otherwise"),
            ("s3://bucket", "it has no key"),
            ("s3://bucket/", "it has no key"),
            ("s3:///key", "it has fewer than 3 or more than 255 characters"),
            ("s3://buck et/key", "it has characters other than letters, digits, '.', '_' and '-'"),
            (&long, "its key is longer than 1024 bytes"),
        ] {
            let error = S3Location::parse(text).unwrap_err();
            assert_eq!(error, LocationError { text: text.to_owned(), reason });
        }
    }
}
