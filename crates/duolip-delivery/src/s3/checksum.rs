//! Checksums of what is uploaded, made from the file before its bytes go out.
//!
//! They travel as headers. The SDK can do it in one pass with a trailer, but many servers other
//! than AWS refuse trailers, and reading a finished video twice costs little.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::settings::S3Checksum;

/// How much is read at a time.
const READ_BYTES: usize = 256 << 10;

/// A checksum as S3 wants it: base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Checksum {
    kind: S3Checksum,
    base64: String,
}

impl Checksum {
    /// Of the bytes `range` of `file`.
    pub(super) async fn of(kind: S3Checksum, file: &Path, range: Range<u64>) -> io::Result<Self> {
        let file = file.to_owned();
        tokio::task::spawn_blocking(move || Self::read(kind, &file, range))
            .await
            .unwrap_or_else(|panic| Err(io::Error::other(panic)))
    }

    fn read(kind: S3Checksum, file: &Path, range: Range<u64>) -> io::Result<Self> {
        let mut file = File::open(file)?;
        file.seek(SeekFrom::Start(range.start))?;
        let mut left = range.end - range.start;
        let mut buffer = vec![0; READ_BYTES];
        let (mut crc32, mut md5) = (crc32fast::Hasher::new(), Md5::new());
        while left > 0 {
            let wanted = usize::try_from(left).map_or(READ_BYTES, |left| left.min(READ_BYTES));
            let read = file.read(&mut buffer[..wanted])?;
            if read == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "it has become shorter"));
            }
            match kind {
                S3Checksum::Crc32 => crc32.update(&buffer[..read]),
                S3Checksum::ContentMd5 => md5.update(&buffer[..read]),
            }
            left -= read as u64;
        }
        let base64 = match kind {
            S3Checksum::Crc32 => STANDARD.encode(crc32.finalize().to_be_bytes()),
            S3Checksum::ContentMd5 => STANDARD.encode(md5.finalize()),
        };
        Ok(Self { kind, base64 })
    }

    /// For the header `x-amz-checksum-crc32`.
    pub(super) fn crc32(&self) -> Option<String> {
        (self.kind == S3Checksum::Crc32).then(|| self.base64.clone())
    }

    /// For the header `Content-MD5`.
    pub(super) fn content_md5(&self) -> Option<String> {
        (self.kind == S3Checksum::ContentMd5).then(|| self.base64.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check values that the definitions of both give.
    #[tokio::test]
    async fn a_range_of_a_file_has_the_checksum_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "..123456789..").unwrap();
        let crc32 = Checksum::of(S3Checksum::Crc32, &file, 2..11).await.unwrap();
        assert_eq!(crc32.crc32(), Some(STANDARD.encode([0xcb, 0xf4, 0x39, 0x26])));
        assert_eq!(crc32.content_md5(), None);
        let md5 = Checksum::of(S3Checksum::ContentMd5, &file, 0..0).await.unwrap();
        assert_eq!(md5.content_md5().as_deref(), Some("1B2M2Y8AsgTpgAmY7PhCfg=="));
        assert_eq!(md5.crc32(), None);
    }

    #[tokio::test]
    async fn a_file_that_has_become_shorter_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "1234").unwrap();
        let error = Checksum::of(S3Checksum::Crc32, &file, 0..5).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }
}
