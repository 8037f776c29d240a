//! The request's own audio → speech.
//!
//! WAV is read here; everything else is decoded by ffmpeg with the demuxer that the content calls
//! for, so that no playlist can make it open another file. Messages are for the caller and hold no
//! local path.

use std::io::Read;
use std::process::{Command, Stdio};

use duolip_child::{Child, ChildError};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::speech::{Speech, SpeechDecoder, SpeechError};

use crate::container::{Container, looks_like};
use crate::mono::Layout;
use crate::pcm_stream::{self, PcmStream};
use crate::program::{Ffmpeg, POLL};
use crate::wav::speech_from_wav;

/// The file that ffmpeg decodes, in the job's folder. Its name is in ffmpeg's messages.
const INPUT_NAME: &str = "audio";

/// How many of ffmpeg's last lines the caller is told.
const LINES_TOLD: usize = 5;

/// Decodes WAV, MP3, OGG, FLAC, M4A, MP4, `WebM` and Matroska audio.
#[derive(Debug, Clone, Default)]
pub struct FfmpegDecoder {
    ffmpeg: Ffmpeg,
}

impl FfmpegDecoder {
    /// A decoder that uses `ffmpeg` for everything but plain WAV.
    #[must_use]
    pub fn new(ffmpeg: Ffmpeg) -> Self {
        Self { ffmpeg }
    }

    fn through_ffmpeg(
        &self,
        container: Container,
        audio: &[u8],
        limit_seconds: u32,
        folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        let input = folder.file(INPUT_NAME);
        std::fs::write(&input, audio).map_err(engine)?;
        let mut command = self.decode_command(container, limit_seconds);
        let speech = run(command.current_dir(folder.path()), limit_seconds, cancel);
        // It goes with the folder at the latest.
        let _ = std::fs::remove_file(&input);
        speech
    }

    /// To be run in the job's folder: the file is named without a path, so no message holds one.
    fn decode_command(&self, container: Container, limit_seconds: u32) -> Command {
        let mut command = self.ffmpeg.command();
        command
            .args(["-protocol_whitelist", "file,pipe", "-f", container.demuxer()])
            .args(["-i", &format!("file:{INPUT_NAME}")])
            .args(["-map", "0:a:0", "-vn", "-sn", "-dn"])
            .args(["-t", &limit_seconds.saturating_add(1).to_string()])
            .args(pcm_stream::OUTPUT)
            .stdout(Stdio::piped());
        command
    }
}

impl SpeechDecoder for FfmpegDecoder {
    fn decode(
        &self,
        audio: &[u8],
        limit_seconds: u32,
        folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        if audio.is_empty() {
            return Err(SpeechError::NotAudio { reason: "it has 0 bytes".to_owned() });
        }
        let container = Container::of(audio).ok_or_else(|| SpeechError::NotAudio {
            reason: format!("it begins {}", looks_like(audio)),
        })?;
        if container == Container::Wav
            && let Some(speech) = speech_from_wav(audio, limit_seconds, cancel)
        {
            return speech;
        }
        self.through_ffmpeg(container, audio, limit_seconds, folder, cancel)
    }
}

/// Starts `command` and reads the speech it sends.
fn run(
    command: &mut Command,
    limit_seconds: u32,
    cancel: &CancellationToken,
) -> Result<Speech, SpeechError> {
    let mut child = Child::start(command).map_err(decode_error)?;
    let pipe = child.take_stdout();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || pipe.and_then(|pipe| mix(pipe, limit_seconds, cancel)));
        while !reader.is_finished() {
            if cancel.is_cancelled() {
                // Ends the pipe and with it the reader.
                drop(child);
                return Err(SpeechError::Cancelled);
            }
            std::thread::sleep(POLL);
        }
        let mixed = match reader.join() {
            Ok(mixed) => mixed,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match mixed {
            // Refused while ffmpeg may still be decoding.
            Some(Err(error)) if !matches!(error, SpeechError::Empty) => Err(error),
            // Nothing, or all there was: whether that is right, ffmpeg's exit status says.
            mixed => {
                child.finish(cancel).map_err(decode_error)?;
                mixed.unwrap_or(Err(SpeechError::Empty))
            }
        }
    })
}

/// The speech in ffmpeg's output; `None` when ffmpeg ended before it sent a header.
fn mix(
    pipe: impl Read,
    limit_seconds: u32,
    cancel: &CancellationToken,
) -> Option<Result<Speech, SpeechError>> {
    let stream = PcmStream::open(pipe)?;
    let layout = Layout::new(stream.channels, stream.rate_hz, limit_seconds);
    Some(layout.and_then(|layout| layout.mix(stream.into_samples(), cancel)))
}

/// An exit status is ffmpeg's judgement of the audio; a signal or a failed start is our trouble.
fn decode_error(error: ChildError) -> SpeechError {
    match error {
        ChildError::Cancelled { .. } => SpeechError::Cancelled,
        ChildError::Failed { status, stderr_tail, .. } if status.code().is_some() => {
            SpeechError::NotAudio { reason: told(&stderr_tail) }
        }
        other => engine(other),
    }
}

fn engine(source: impl std::error::Error + Send + Sync + 'static) -> SpeechError {
    SpeechError::Engine { program: "ffmpeg", source: Box::new(source) }
}

/// The last lines of `stderr_tail`, without the memory addresses that ffmpeg names its parts by.
fn told(stderr_tail: &str) -> String {
    let lines: Vec<_> =
        stderr_tail.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LINES_TOLD)..].join("; ");
    let mut parts = last.split(" @ 0x");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.trim_start_matches(|character: char| character.is_ascii_hexdigit()));
    }
    if text.is_empty() { "ffmpeg cannot decode it".to_owned() } else { text }
}

#[cfg(test)]
mod tests;
