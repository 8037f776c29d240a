//! Delivery: where videos go whose readers want a URL.

use clap::Args;

use super::Secret;

/// Delivery.
#[derive(Debug, Clone, Args)]
pub struct DeliveryArgs {
    /// Where videos go that are delivered as a URL: `s3://BUCKET/PREFIX` or a folder [default: nowhere]
    #[arg(long, env = "DUOLIP_STORE", value_name = "PLACE")]
    pub store: Option<String>,
    /// URL prefix under which the store can be read without a signature [default: presigned URLs,
    /// or file:// for a folder]
    #[arg(long, env = "DUOLIP_STORE_PUBLIC_URL", value_name = "URL")]
    pub store_public_url: Option<String>,
    /// Seconds that a presigned URL works
    #[arg(long, env = "DUOLIP_URL_EXPIRY_SECONDS", default_value_t = 86_400, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub url_expiry_seconds: u32,
    /// Endpoint of an S3-compatible server [default: AWS]
    #[arg(long, env = "DUOLIP_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Whether the bucket stands in the path of S3 URLs [default: true where an endpoint is given]
    #[arg(long, env = "DUOLIP_S3_PATH_STYLE", value_name = "BOOL")]
    pub s3_path_style: Option<bool>,
    /// RunPod's bucket: its URL, used where `DUOLIP_STORE` is not set
    #[arg(long, env = "BUCKET_ENDPOINT_URL", value_name = "URL")]
    pub bucket_endpoint_url: Option<String>,
    /// RunPod's bucket: its name, where the URL does not carry it
    #[arg(long, env = "BUCKET_NAME", value_name = "NAME")]
    pub bucket_name: Option<String>,
    /// RunPod's bucket: the access key
    #[arg(long, env = "BUCKET_ACCESS_KEY_ID", value_name = "KEY", hide_env_values = true)]
    pub bucket_access_key_id: Option<String>,
    /// RunPod's bucket: the secret key
    #[arg(long, env = "BUCKET_SECRET_ACCESS_KEY", value_name = "KEY", hide_env_values = true)]
    pub bucket_secret_access_key: Option<Secret>,
}

impl DeliveryArgs {
    /// Empty values count as not set.
    pub(super) fn checked(&mut self) {
        for text in [
            &mut self.store,
            &mut self.store_public_url,
            &mut self.s3_endpoint,
            &mut self.bucket_endpoint_url,
            &mut self.bucket_name,
            &mut self.bucket_access_key_id,
        ] {
            text.take_if(|text| text.trim().is_empty());
        }
        self.bucket_secret_access_key.take_if(|secret| secret.expose().is_empty());
    }
}
