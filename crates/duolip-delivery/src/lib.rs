//! Artifact stores: where a finished video goes when its reader wants a URL.
//!
//! The last stage of a job that asks for delivery by URL. Each store lies behind
//! [`duolip_pipeline::deliver::ArtifactStore`]; nothing here knows how a video is made, and nothing
//! reads the environment but the AWS SDK, where no credentials or region are given.

mod folder;
mod key;
mod memory;
mod s3;

pub use folder::{FolderArtifactStore, FolderSettings, FolderStoreError};
pub use memory::{KeptArtifact, MemoryArtifactStore};
pub use s3::{
    LocationError, Object, ObjectError, ObjectState, RunPodBucket, RunPodBucketError, RunPodSource,
    S3ArtifactStore, S3Checksum, S3Connection, S3Credentials, S3Location, S3Objects, S3Settings,
    S3SettingsError,
};
