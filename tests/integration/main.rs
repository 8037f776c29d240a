//! Tests over the public surfaces: the router over real TCP, the programs as processes. Real
//! espeak-ng, ffmpeg, ONNX Runtime and the demo pair; nothing is faked here.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bad_input;
mod batch;
mod command_line;
mod delivery;
mod exactness;
mod function;
mod health;
mod http;
mod import;
mod lambda;
mod load;
mod media;
mod runpod;
mod seams;
mod server;
mod settings;
mod triggers;
