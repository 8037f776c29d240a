//! Media: the request's own audio → speech, frames → segments, both through ffmpeg; segments and
//! speech → video.
//!
//! Implements the pipeline's [`SpeechDecoder`], [`VideoEncoder`] and [`Muxer`]. ffmpeg is a program
//! that is started through duolip-child, never a linked library; every file it reads or writes
//! lies where the caller says, inside the job's folder. This crate knows nothing of lip sync, of
//! HTTP or of where a video goes.
//!
//! [`SpeechDecoder`]: duolip_pipeline::speech::SpeechDecoder
//! [`VideoEncoder`]: duolip_pipeline::encode::VideoEncoder
//! [`Muxer`]: duolip_pipeline::concat::Muxer

mod container;
mod decode;
mod encode;
mod h264;
mod mono;
mod mux;
mod pcm_stream;
mod probe;
mod program;
mod segment;
mod speech_track;
mod splice;
mod wav;

#[cfg(test)]
mod testing;

pub use decode::FfmpegDecoder;
pub use encode::{FfmpegEncoder, X264Settings};
pub use mux::Mp4Muxer;
pub use probe::{FfmpegVersion, ProbeError, probe};
pub use program::Ffmpeg;
pub use segment::SegmentError;
