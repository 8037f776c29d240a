//! The index of a video: what its tracks hold, and where.

use duolip_pipeline::units::FrameRate;
use mp4_atom::{
    Avc1, Avcc, AvccExt, Co64, Colr, Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Header,
    Mdhd, Mdia, Minf, Moov, Mvhd, Stbl, Stco, Stsc, StscEntry, Stsd, Stss, Stsz, StszSamples, Stts,
    SttsEntry, Tkhd, Trak, Url, Visual, Vmhd,
};

use super::pictures::Parameters;
use super::sound::Sound;
use super::{MuxError, timescale};
use crate::h264::nal::NalUnit;
use crate::h264::parameters::{HIGH_PROFILES, Sequence};

/// The pictures of a video.
#[derive(Debug, Default)]
pub(super) struct PictureTable {
    /// Bytes of each.
    pub(super) sizes: Vec<u32>,
    /// Which are keyframes, counted from 1.
    pub(super) keyframes: Vec<u32>,
    pub(super) parameters: Parameters,
}

/// How many pictures, and then how many samples of sound, lie together: a second of each.
pub(super) type Second = [usize; 2];

/// What lies in each second of a video; the sound that is left over comes with the last pictures.
pub(super) fn seconds(pictures: usize, rate: FrameRate, sound: &Sound) -> Vec<Second> {
    let sound_rate = u64::from(sound.track.mdia.mdhd.timescale);
    let mut ends = sound.ends().peekable();
    let mut all = Vec::new();
    let (mut shown, mut second) = (0, 0);
    while shown < pictures {
        second += 1;
        // Pictures that begin before the second is over.
        let begun = (second * u64::from(rate.numerator())).div_ceil(u64::from(rate.denominator()));
        let until = pictures.min(begun as usize);
        let is_last = until == pictures;
        let mut heard = 0;
        while ends.next_if(|&end| is_last || end <= second * sound_rate).is_some() {
            heard += 1;
        }
        all.push([until - shown, heard]);
        shown = until;
    }
    all
}

/// The beginning of a video: all that comes before its first picture.
///
/// # Errors
/// [`MuxError`] when the parameters are none or cannot be told in an index.
pub(super) fn head(
    pictures: &PictureTable,
    rate: FrameRate,
    sound: &Sound,
    seconds: &[Second],
) -> Result<Vec<u8>, MuxError> {
    let sound_sizes: Vec<u32> = sound.sizes().collect();
    let total = |sizes: &[u32]| sizes.iter().copied().map(u64::from).sum::<u64>();
    let bytes = total(&pictures.sizes) + total(&sound_sizes);
    let mut movie = movie(pictures, rate, sound, seconds)?;
    // The index's length does not depend on the offsets in it, but for their width.
    let mut start = 0;
    let mut head = Vec::new();
    for _ in 0..2 {
        let [of_pictures, of_sound] = offsets(start, [&pictures.sizes, &sound_sizes], seconds);
        for (track, offsets) in movie.trak.iter_mut().zip([of_pictures, of_sound]) {
            place(&mut track.mdia.minf.stbl, offsets, bytes);
        }
        head.clear();
        brands().encode(&mut head).map_err(MuxError::Index)?;
        movie.encode(&mut head).map_err(MuxError::Index)?;
        let data = Header { kind: FourCC::new(b"mdat"), size: Some(bytes as usize) };
        data.encode(&mut head).map_err(MuxError::Index)?;
        start = head.len() as u64;
    }
    Ok(head)
}

fn brands() -> Ftyp {
    let compatible = [b"isom", b"iso2", b"avc1", b"mp41"].map(FourCC::new);
    Ftyp { major_brand: compatible[0], minor_version: 512, compatible_brands: compatible.into() }
}

/// Where each second's pictures and sound begin, when the first are at `start`.
fn offsets(start: u64, [pictures, sound]: [&[u32]; 2], seconds: &[Second]) -> [Vec<u64>; 2] {
    let mut at = start;
    let mut offsets = [Vec::new(), Vec::new()];
    let mut sizes = [pictures.iter(), sound.iter()];
    for second in seconds {
        for track in 0..2 {
            if second[track] > 0 {
                offsets[track].push(at);
            }
            at += sizes[track].by_ref().take(second[track]).copied().map(u64::from).sum::<u64>();
        }
    }
    offsets
}

/// Writes where a track's chunks begin, in 64 bits where `bytes` of data ask for it.
fn place(table: &mut Stbl, offsets: Vec<u64>, bytes: u64) {
    // Far more than any index has bytes.
    let is_far = bytes > u64::from(u32::MAX) - (1 << 30);
    if is_far {
        (table.stco, table.co64) = (None, Some(Co64 { entries: offsets }));
    } else {
        let entries = offsets.into_iter().map(|offset| offset as u32).collect();
        (table.stco, table.co64) = (Some(Stco { entries }), None);
    }
}

/// Without the offsets.
fn movie(
    pictures: &PictureTable,
    rate: FrameRate,
    sound: &Sound,
    seconds: &[Second],
) -> Result<Moov, MuxError> {
    let mut picture_track = picture_track(pictures, rate, sound.movie_timescale)?;
    picture_track.mdia.minf.stbl.stsc = chunks(seconds.iter().map(|second| second[0]));
    let mut sound_track = sound.track.clone();
    sound_track.tkhd.track_id = 2;
    sound_track.mdia.minf.stbl.stsc = chunks(seconds.iter().map(|second| second[1]));
    let mvhd = Mvhd {
        timescale: sound.movie_timescale,
        duration: picture_track.tkhd.duration.max(sound_track.tkhd.duration),
        rate: 1.into(),
        volume: 1.into(),
        next_track_id: 3,
        ..Mvhd::default()
    };
    Ok(Moov { mvhd, trak: vec![picture_track, sound_track], ..Moov::default() })
}

/// How many samples are in each chunk that has any: told where the number changes.
fn chunks(samples: impl Iterator<Item = usize>) -> Stsc {
    let mut entries: Vec<StscEntry> = Vec::new();
    for (first_chunk, samples) in (1..).zip(samples.filter(|&samples| samples > 0)) {
        let samples_per_chunk = samples as u32;
        if entries.last().is_none_or(|last| last.samples_per_chunk != samples_per_chunk) {
            entries.push(StscEntry { first_chunk, samples_per_chunk, sample_description_index: 1 });
        }
    }
    Stsc { entries }
}

fn picture_track(
    pictures: &PictureTable,
    rate: FrameRate,
    movie_timescale: u32,
) -> Result<Trak, MuxError> {
    let (entry, [width, height]) = sample_entry(&pictures.parameters)?;
    let count = pictures.sizes.len();
    let ticks = timescale(rate);
    let ticks_of_a_frame = ticks / rate.numerator() * rate.denominator();
    let seconds = rate.seconds_at(count);
    let stbl = Stbl {
        stsd: Stsd { codecs: vec![entry.into()] },
        stts: Stts {
            entries: vec![SttsEntry { sample_count: count as u32, sample_delta: ticks_of_a_frame }],
        },
        stss: Some(Stss { entries: pictures.keyframes.clone() }),
        stsz: Stsz { samples: StszSamples::Different { sizes: pictures.sizes.clone() } },
        ..Stbl::default()
    };
    let here = Dref { entries: vec![DrefEntry::Url(Url::default())] };
    Ok(Trak {
        tkhd: Tkhd {
            track_id: 1,
            duration: (seconds * f64::from(movie_timescale)).round() as u64,
            enabled: true,
            in_movie: true,
            width: width.into(),
            height: height.into(),
            ..Tkhd::default()
        },
        mdia: Mdia {
            mdhd: Mdhd {
                timescale: ticks,
                duration: count as u64 * u64::from(ticks_of_a_frame),
                language: "und".to_owned(),
                ..Mdhd::default()
            },
            hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "VideoHandler".to_owned() },
            minf: Minf {
                vmhd: Some(Vmhd::default()),
                dinf: Dinf { dref: here },
                stbl,
                ..Minf::default()
            },
        },
        ..Trak::default()
    })
}

/// How pictures with `parameters` are decoded, and their width and height.
fn sample_entry(parameters: &Parameters) -> Result<(Avc1, [u16; 2]), MuxError> {
    let Parameters { sequence, picture } = parameters;
    let unit = NalUnit::of(sequence).ok_or(MuxError::NoParameters)?;
    let size = Sequence::picture_size(&unit.rbsp).map_err(MuxError::Parameters)?;
    let [width, height] = size;
    let mut avcc = Avcc::new(sequence, picture).map_err(MuxError::Index)?;
    if HIGH_PROFILES.contains(&u32::from(avcc.avc_profile_indication)) {
        // 4:2:0 of eight bits, as `Sequence` makes sure of.
        avcc.ext = Some(AvccExt::default());
    }
    let visual = Visual { data_reference_index: 1, width, height, ..Visual::default() };
    // BT.709, limited range.
    let colr = Colr::new(1, 1, 1, false).map_err(MuxError::Index)?;
    Ok((Avc1 { visual, avcc, colr: Some(colr), ..Avc1::default() }, size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_of_pictures_and_sound_take_turns_and_lie_where_the_index_says() {
        let seconds = [[2, 1], [2, 0], [1, 2]];
        let [pictures, sound] = offsets(100, [&[10, 20, 30, 40, 50], &[1, 2, 3]], &seconds);
        assert_eq!(pictures, [100, 131, 201]);
        assert_eq!(sound, [130, 251]);
        let runs = |track: usize| -> Vec<_> {
            let chunks = chunks(seconds.iter().map(|second| second[track]));
            chunks.entries.iter().map(|run| (run.first_chunk, run.samples_per_chunk)).collect()
        };
        assert_eq!(runs(0), [(1, 2), (3, 1)]);
        assert_eq!(runs(1), [(1, 1), (2, 2)]);
    }

    #[test]
    fn offsets_have_64_bits_where_the_file_is_too_large_for_32() {
        let mut table = Stbl::default();
        place(&mut table, vec![100], 5 << 20);
        assert_eq!((table.stco, table.co64), (Some(Stco { entries: vec![100] }), None));
        let mut table = Stbl::default();
        place(&mut table, vec![100, 5 << 30], 6 << 30);
        assert_eq!((table.stco, table.co64), (None, Some(Co64 { entries: vec![100, 5 << 30] })));
    }
}
