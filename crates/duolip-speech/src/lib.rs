//! Speech synthesizers: text, language and voice → speech.
//!
//! The first stage of a job that brings text. Each engine lies behind
//! [`duolip_pipeline::speech::SpeechSynthesizer`]; nothing here knows of faces, lips or video.

pub mod espeak;

pub use espeak::{EspeakError, EspeakSettings, EspeakSynthesizer};
