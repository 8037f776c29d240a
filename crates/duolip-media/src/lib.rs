//! Media: the request's own audio → speech, through ffmpeg; frames → segments, through duolip-x264;
//! segments and speech → video.
//!
//! Implements the pipeline's [`SpeechDecoder`], [`VideoEncoder`] and [`Muxer`]. Both are programs
//! that are started through duolip-child, never linked libraries; every file they read or write
//! lies where the caller says, inside the job's folder. This crate knows nothing of lip sync, of
//! HTTP or of where a video goes.
//!
//! [`SpeechDecoder`]: duolip_pipeline::speech::SpeechDecoder
//! [`VideoEncoder`]: duolip_pipeline::encode::VideoEncoder
//! [`Muxer`]: duolip_pipeline::concat::Muxer

mod container;
mod decode;
mod encode;
mod feed;
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
mod x264;

#[cfg(test)]
mod testing;

pub use decode::FfmpegDecoder;
pub use encode::X264Encoder;
pub use mux::Mp4Muxer;
pub use probe::ProbeError;
pub use program::Ffmpeg;
pub use segment::SegmentError;
pub use x264::{X264, X264Settings};
