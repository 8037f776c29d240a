//! The whole speech → AAC in an MP4 file.
//!
//! AAC comes in blocks of 1024 samples behind a block of priming; the MP4's edit list leaves the
//! priming out, and the last block's duration is cut to what the speech has. The track therefore
//! states the speech's length to the sample. A decoder that ignores that cut (ffmpeg 5 does) gives
//! up to 1023 samples of padding behind the end.

use std::io::{self, Write};
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};

use duolip_child::{Child, ChildError};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::encode::EncodeError;
use duolip_pipeline::speech::Speech;
use duolip_pipeline::units::SampleRate;

use crate::encode::{child_error, encoder_error};
use crate::program::{AS_SAID, Ffmpeg, file_url};

/// The sample rates that AAC has and every player plays, in Hz.
const AAC_RATES_HZ: [u32; 9] =
    [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// What speech of any other rate is resampled to: 48 kHz.
const OTHER_RATES: SampleRate = SampleRate::new(48_000).unwrap();

/// Four bits a sample are transparent for one voice; more than this is never needed.
const MOST_BITS_PER_SECOND: u32 = 128_000;

/// How ffmpeg's encoder looks for the scale of each band. Its own choice, `twoloop`, takes six
/// times as long, and at four bits a sample its speech is 9 dB further from what was said: see
/// bench/NOTES.md.
const AAC_CODER: &str = "fast";

/// What ticks the edit list is written in, per second; the video takes them over.
///
/// ffmpeg's own choice of 1000 would round the length of every track to a millisecond. This is a
/// common multiple of the usual frame rates and of the 8, 12 and 16 kHz families of sample rates,
/// and finer than one audio sample for all others.
const MOVIE_TIMESCALE: &str = "240000";

/// Samples converted to bytes at once.
const BLOCK: usize = 16_384;

/// Encodes `speech` into `path`.
///
/// # Errors
/// [`EncodeError`].
///
/// # Cancellation
/// Kills ffmpeg within milliseconds. Resampling, which only rates that AAC lacks need, runs to its
/// end.
pub(crate) fn encode(
    ffmpeg: &Ffmpeg,
    speech: &Speech,
    path: &Path,
    cancel: &CancellationToken,
) -> Result<(), EncodeError> {
    // ffmpeg's own resampler gives nothing at all for the shortest speech.
    let speech = speech.resampled(aac_rate(speech.rate)).map_err(encoder_error)?;
    let mut child = Child::start(&mut command(ffmpeg, speech.rate, path)).map_err(child_error)?;
    let pipe = child.take_stdin();
    std::thread::scope(|scope| {
        let feeder = scope.spawn(|| feed(pipe, &speech.samples));
        // Kills ffmpeg when cancelled, which breaks the feeder's pipe.
        child.finish(cancel).map_err(child_error)?;
        feeder.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(|source| {
            child_error(ChildError::Pipe { program: "ffmpeg".to_owned(), source })
        })
    })
}

fn aac_rate(rate: SampleRate) -> SampleRate {
    if AAC_RATES_HZ.contains(&rate.hz()) { rate } else { OTHER_RATES }
}

fn command(ffmpeg: &Ffmpeg, rate: SampleRate, path: &Path) -> Command {
    let hz = rate.hz();
    let bits_per_second = (4 * hz).min(MOST_BITS_PER_SECOND);
    let mut command = ffmpeg.command();
    command
        .args(AS_SAID)
        .args(["-f", "f32le", "-ar", &hz.to_string(), "-ac", "1", "-i", "pipe:0"])
        .args(["-c:a", "aac", "-aac_coder", AAC_CODER, "-b:a", &bits_per_second.to_string()])
        .args(["-movie_timescale", MOVIE_TIMESCALE])
        .args(["-flags", "+bitexact", "-fflags", "+bitexact", "-f", "mp4"])
        .arg(file_url(path))
        .stdin(Stdio::piped());
    command
}

fn feed(pipe: Option<ChildStdin>, samples: &[f32]) -> io::Result<()> {
    let mut pipe = pipe.ok_or(io::ErrorKind::BrokenPipe)?;
    let mut bytes = Vec::with_capacity(4 * BLOCK.min(samples.len()));
    for block in samples.chunks(BLOCK) {
        bytes.clear();
        // Full scale is all that a loudspeaker has, and the encoder fails on absurd values.
        bytes.extend(block.iter().flat_map(|sample| sample.clamp(-1.0, 1.0).to_le_bytes()));
        pipe.write_all(&bytes)?;
    }
    Ok(())
}
