//! One upload: what goes where, and how its bytes and checksums are read.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use duolip_pipeline::deliver::DeliverError;

use super::checksum::Checksum;
use super::connection::S3Connection;
use super::settings::S3Checksum;
use super::verdict::deliver_error;

/// A file on its way into a bucket.
#[derive(Debug)]
pub(super) struct Upload {
    pub client: Client,
    pub connection: S3Connection,
    /// The store in words.
    pub store: String,
    pub bucket: String,
    pub key: String,
    pub file: PathBuf,
    pub size_bytes: u64,
    pub media_type: &'static str,
    /// The object's Content-Disposition.
    pub disposition: String,
    pub checksum: S3Checksum,
}

impl Upload {
    /// Uploads the file in one request.
    pub(super) async fn put_whole(&self) -> Result<(), DeliverError> {
        let checksum = self.checksum_of(0..self.size_bytes).await?;
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .content_type(self.media_type)
            .content_disposition(&self.disposition)
            .set_checksum_crc32(checksum.crc32())
            .set_content_md5(checksum.content_md5())
            .body(self.body(0, Length::Exact(self.size_bytes)).await?)
            .customize()
            .config_override(self.connection.patience_for(self.size_bytes))
            .send()
            .await
            .map_err(|error| deliver_error(&self.store, error))?;
        Ok(())
    }

    pub(super) async fn checksum_of(&self, range: Range<u64>) -> Result<Checksum, DeliverError> {
        Checksum::of(self.checksum, &self.file, range)
            .await
            .map_err(|source| self.unreadable(source))
    }

    /// The bytes from `offset` on; read anew from the disk when the request is tried again.
    pub(super) async fn body(
        &self,
        offset: u64,
        length: Length,
    ) -> Result<ByteStream, DeliverError> {
        ByteStream::read_from()
            .path(&self.file)
            .offset(offset)
            .length(length)
            .build()
            .await
            .map_err(|error| self.unreadable(io::Error::other(error)))
    }

    pub(super) fn failed(&self, what: &'static str) -> DeliverError {
        DeliverError::Unavailable { store: self.store.clone(), source: what.into() }
    }

    fn unreadable(&self, source: io::Error) -> DeliverError {
        DeliverError::Unreadable { file: self.file.clone(), source }
    }
}
