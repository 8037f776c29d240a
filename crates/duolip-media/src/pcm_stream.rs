//! Decoded audio as ffmpeg sends it down a pipe: the AU format.
//!
//! AU has a header of fixed length that allows an unknown number of samples, so decoded audio needs
//! no temporary file, which at 5.1 channels could pass the 4 GiB that WAV can count.

use std::io::{BufReader, Read};

/// ffmpeg's options for it: 32-bit float at the rate and channels of the source.
pub(crate) const OUTPUT: [&str; 5] = ["-c:a", "pcm_f32be", "-f", "au", "pipe:1"];

const MAGIC: u32 = u32::from_be_bytes(*b".snd");
const FLOAT_32: u32 = 6;

/// An opened stream.
pub(crate) struct PcmStream<R> {
    pub(crate) rate_hz: u32,
    pub(crate) channels: u16,
    samples: BufReader<R>,
}

impl<R: Read> PcmStream<R> {
    /// Reads the header; `None` when `pipe` ends before or holds something else.
    pub(crate) fn open(pipe: R) -> Option<Self> {
        let mut pipe = BufReader::new(pipe);
        let mut header = [0; 6];
        for field in &mut header {
            *field = u32::from_be_bytes(next_word(&mut pipe)?);
        }
        let [magic, header_bytes, _sample_bytes, encoding, rate_hz, channels] = header;
        if magic != MAGIC || encoding != FLOAT_32 {
            return None;
        }
        // An annotation fills the header up.
        for _ in 0..(header_bytes.checked_sub(24)? / 4).min(1024) {
            next_word(&mut pipe)?;
        }
        Some(Self { rate_hz, channels: u16::try_from(channels).ok()?, samples: pipe })
    }

    /// The interleaved samples, up to the end of the pipe.
    pub(crate) fn into_samples(mut self) -> impl Iterator<Item = f32> {
        std::iter::from_fn(move || next_word(&mut self.samples).map(f32::from_be_bytes))
    }
}

fn next_word(pipe: &mut impl Read) -> Option<[u8; 4]> {
    let mut word = [0; 4];
    pipe.read_exact(&mut word).ok()?;
    Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn au(header: [u32; 7], samples: &[f32]) -> Vec<u8> {
        let header = header.iter().flat_map(|field| field.to_be_bytes());
        header.chain(samples.iter().flat_map(|sample| sample.to_be_bytes())).collect()
    }

    #[test]
    fn a_header_with_an_annotation_is_skipped_to_its_end() {
        let bytes = au([MAGIC, 28, u32::MAX, FLOAT_32, 22_050, 2, 0], &[0.5, -0.25]);
        let stream = PcmStream::open(&bytes[..]).unwrap();
        assert_eq!((stream.rate_hz, stream.channels), (22_050, 2));
        assert_eq!(stream.into_samples().collect::<Vec<_>>(), [0.5, -0.25]);
    }

    #[test]
    fn other_streams_are_not_opened() {
        assert!(PcmStream::open(&b""[..]).is_none());
        assert!(PcmStream::open(&b"RIFF\0\0\0\0WAVEfmt \0\0\0\0\0\0\0\0"[..]).is_none());
        let sixteen_bit = au([MAGIC, 24, u32::MAX, 3, 22_050, 2, 0], &[]);
        assert!(PcmStream::open(&sixteen_bit[..]).is_none());
    }
}
