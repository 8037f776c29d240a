//! A large file in parts: several under way at a time, each streamed from the disk.
//!
//! An upload that has begun is completed or aborted, however it ends: a server keeps parts, and
//! charges for them, until it is told.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::Length;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use duolip_pipeline::deliver::DeliverError;
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::runtime::Handle;

use super::settings::S3Checksum;
use super::upload::Upload;
use super::verdict::{Verdict, deliver_error};

/// S3's limit.
const MOST_PARTS: u64 = 10_000;

/// How often an abort is tried in the background, with pauses of 1, 2, 4, … seconds between.
const ABORTS: u32 = 8;

/// How fast a server is expected to put the parts together, at least.
const ASSEMBLED_BYTES_PER_SECOND: u64 = 16 << 20;

/// How a file is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// The size of a part; larger where the most parts that S3 takes would not do.
    pub part_bytes: u64,
    /// How many are under way at a time.
    pub parts_at_once: usize,
}

/// Uploads in parts.
///
/// # Cancellation
/// Dropping the future aborts the upload in the background.
pub(super) async fn put(upload: Arc<Upload>, cut: Cut) -> Result<(), DeliverError> {
    let pending = Pending::begin(upload).await?;
    match pending.fill(cut).await {
        Ok(()) => {
            pending.completed();
            Ok(())
        }
        Err(error) => {
            pending.abort().await;
            Err(error)
        }
    }
}

/// An upload that the server knows of, and is told to forget when this is dropped.
struct Pending {
    upload: Arc<Upload>,
    id: String,
    runtime: Handle,
    open: bool,
}

impl Pending {
    /// In a task of its own: where the caller goes away before the server has said the upload's id,
    /// the task's result is dropped, and so aborted.
    async fn begin(upload: Arc<Upload>) -> Result<Self, DeliverError> {
        let runtime = Handle::current();
        let store = upload.store.clone();
        let begun = tokio::spawn(async move {
            let algorithm = match upload.checksum {
                S3Checksum::Crc32 => Some(ChecksumAlgorithm::Crc32),
                S3Checksum::ContentMd5 => None,
            };
            let answer = upload
                .client
                .create_multipart_upload()
                .bucket(&upload.bucket)
                .key(&upload.key)
                .content_type(upload.media_type)
                .content_disposition(&upload.disposition)
                .set_checksum_algorithm(algorithm)
                .send()
                .await
                .map_err(|error| deliver_error(&upload.store, error))?;
            let id =
                answer.upload_id.ok_or_else(|| upload.failed("the server gave no upload id"))?;
            Ok(Self { upload, id, runtime, open: true })
        });
        begun
            .await
            .unwrap_or_else(|panic| Err(DeliverError::Unavailable { store, source: panic.into() }))
    }

    async fn fill(&self, cut: Cut) -> Result<(), DeliverError> {
        let parts = futures::stream::iter(parts(self.upload.size_bytes, cut.part_bytes))
            .map(|(number, range)| self.part(number, range))
            .buffer_unordered(cut.parts_at_once);
        let mut parts: Vec<CompletedPart> = parts.try_collect().await?;
        parts.sort_by_key(CompletedPart::part_number);

        let Upload { client, bucket, key, size_bytes, store, .. } = &*self.upload;
        let assembly = Duration::from_secs(size_bytes / ASSEMBLED_BYTES_PER_SECOND);
        client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(&self.id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(parts)).build())
            .customize()
            .config_override(self.upload.connection.patience(assembly))
            .send()
            .await
            .map_err(|error| deliver_error(store, error))?;
        Ok(())
    }

    async fn part(&self, number: i32, range: Range<u64>) -> Result<CompletedPart, DeliverError> {
        let upload = &self.upload;
        let length = range.end - range.start;
        let checksum = upload.checksum_of(range.clone()).await?;
        let body = upload.body(range.start, Length::Exact(length)).await?;
        let answer = upload
            .client
            .upload_part()
            .bucket(&upload.bucket)
            .key(&upload.key)
            .upload_id(&self.id)
            .part_number(number)
            .set_checksum_crc32(checksum.crc32())
            .set_content_md5(checksum.content_md5())
            .body(body)
            .customize()
            .config_override(upload.connection.patience_for(length))
            .send()
            .await
            .map_err(|error| deliver_error(&upload.store, error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(checksum.crc32())
            .build())
    }

    fn completed(mut self) {
        self.open = false;
    }

    /// Tries once; where that fails, it goes on in the background.
    async fn abort(mut self) {
        self.open = !abort(&self.upload, &self.id).await;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.open {
            let (upload, id) = (Arc::clone(&self.upload), std::mem::take(&mut self.id));
            self.runtime.spawn(abort_patiently(upload, id));
        }
    }
}

async fn abort_patiently(upload: Arc<Upload>, id: String) {
    for attempt in 0..ABORTS {
        if abort(&upload, &id).await {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1 << attempt)).await;
    }
    tracing::warn!(
        store = upload.store,
        key = upload.key,
        upload_id = id,
        "an interrupted upload could not be aborted; its parts stay until the bucket's rules remove \
         them"
    );
}

/// Whether there is nothing more to do: it is aborted, unknown, or not ours to abort.
async fn abort(upload: &Upload, id: &str) -> bool {
    let answer = upload
        .client
        .abort_multipart_upload()
        .bucket(&upload.bucket)
        .key(&upload.key)
        .upload_id(id)
        .send()
        .await;
    match answer {
        Ok(_) => true,
        Err(error) => {
            error.code() == Some("NoSuchUpload") || Verdict::of(&error) == Verdict::Refused
        }
    }
}

/// The parts of a file of `size_bytes`, numbered from 1.
fn parts(size_bytes: u64, part_bytes: u64) -> impl Iterator<Item = (i32, Range<u64>)> {
    let part_bytes = part_bytes.max(size_bytes.div_ceil(MOST_PARTS));
    let starts = (0..size_bytes).step_by(usize::try_from(part_bytes).unwrap_or(usize::MAX));
    (1..)
        .zip(starts)
        .map(move |(number, start)| (number, start..size_bytes.min(start + part_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_file_once_and_in_order() {
        for (size, part) in [(1, 5), (5, 5), (6, 5), (50_000, 5), (50_001, 5), (1 << 40, 5 << 20)] {
            let parts: Vec<_> = parts(size, part).collect();
            assert!(parts.len() as u64 <= MOST_PARTS, "{} parts of {size} bytes", parts.len());
            let mut end = 0;
            for (at, (number, range)) in parts.iter().enumerate() {
                assert_eq!((*number as usize, range.start), (at + 1, end), "{size} by {part}");
                assert!(range.end > range.start, "{size} by {part}");
                end = range.end;
            }
            assert_eq!(end, size, "{size} by {part}");
        }
    }
}
