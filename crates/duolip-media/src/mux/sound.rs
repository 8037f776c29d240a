//! The encoded speech, as it lies in its MP4 file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use mp4_atom::{Atom, Header, Moov, ReadFrom, StszSamples, Trak};

use super::MuxError;

/// The sound track of a file: how it is described there, and where its samples lie.
#[derive(Debug)]
pub(super) struct Sound {
    file: File,
    pub(super) track: Trak,
    /// The unit of edit lists and lengths of tracks, a second.
    pub(super) movie_timescale: u32,
    /// Of each sample: where it begins, and its bytes.
    samples: Vec<(u64, u32)>,
}

impl Sound {
    /// # Errors
    /// [`MuxError`] when the file cannot be read or is no MP4 with one track.
    pub(super) fn open(path: &Path) -> Result<Self, MuxError> {
        let unreadable = |source| MuxError::Speech { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(|error| unreadable(error.into()))?;
        let movie = read_index(&mut file).map_err(unreadable)?;
        let movie_timescale = movie.mvhd.timescale;
        let [track] = <[Trak; 1]>::try_from(movie.trak)
            .map_err(|_| unreadable(mp4_atom::Error::MissingBox(Trak::KIND)))?;
        let samples = samples(&track).map_err(unreadable)?;
        let sound = Self { file, track, movie_timescale, samples };
        if sound.ends().count() != sound.samples.len() {
            return Err(unreadable(mp4_atom::Error::InvalidSize));
        }
        Ok(sound)
    }

    pub(super) fn sizes(&self) -> impl Iterator<Item = u32> + '_ {
        self.samples.iter().map(|&(_, bytes)| bytes)
    }

    /// When each sample is over, in the track's own unit.
    pub(super) fn ends(&self) -> impl Iterator<Item = u64> + '_ {
        let entries = self.track.mdia.minf.stbl.stts.entries.iter();
        let durations = entries
            .flat_map(|entry| std::iter::repeat_n(entry.sample_delta, entry.sample_count as usize));
        durations.scan(0, |end, duration| {
            *end += u64::from(duration);
            Some(*end)
        })
    }

    /// Sample number `at`.
    pub(super) fn sample(&self, at: usize) -> std::io::Result<Vec<u8>> {
        let (start, bytes) = self.samples[at];
        let mut sample = vec![0; bytes as usize];
        self.file.read_exact_at(&mut sample, start)?;
        Ok(sample)
    }
}

/// The index of an MP4 file, wherever it is.
fn read_index(file: &mut File) -> mp4_atom::Result<Moov> {
    loop {
        let header = Header::read_from(file)?;
        let size = header.size.ok_or(mp4_atom::Error::MissingBox(Moov::KIND))?;
        if header.kind == Moov::KIND {
            let mut body = Vec::new();
            file.take(size as u64).read_to_end(&mut body)?;
            return Moov::decode_body(&mut &body[..]);
        }
        file.seek(SeekFrom::Current(size as i64))?;
    }
}

/// Where the samples of a track lie.
fn samples(track: &Trak) -> mp4_atom::Result<Vec<(u64, u32)>> {
    let table = &track.mdia.minf.stbl;
    let sizes: Vec<u32> = match &table.stsz.samples {
        StszSamples::Different { sizes } => sizes.clone(),
        StszSamples::Identical { count, size } => vec![*size; *count as usize],
    };
    let chunks: Vec<u64> = match (&table.stco, &table.co64) {
        (Some(near), _) => near.entries.iter().copied().map(u64::from).collect(),
        (None, Some(far)) => far.entries.clone(),
        (None, None) => return Err(mp4_atom::Error::MissingBox(mp4_atom::Stco::KIND)),
    };
    let mut runs = table.stsc.entries.iter().peekable();
    let mut in_chunk = 0;
    let mut sizes = sizes.into_iter();
    let mut samples = Vec::with_capacity(sizes.len());
    for (number, mut start) in (1..).zip(chunks) {
        if let Some(run) = runs.next_if(|run| run.first_chunk <= number) {
            in_chunk = run.samples_per_chunk;
        }
        for size in sizes.by_ref().take(in_chunk as usize) {
            samples.push((start, size));
            start += u64::from(size);
        }
    }
    Ok(samples)
}
