//! Tells audio containers apart by their first bytes, never by a name, and says what a file that is
//! no audio looks like. Pure: starts no program.

/// An audio container that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Wav,
    Mp3,
    Ogg,
    Flac,
    Mp4,
    Matroska,
}

impl Container {
    /// The container that `bytes` begin like.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'R', b'I', b'F', b'F' | b'X', _, _, _, _, b'W', b'A', b'V', b'E', ..]
            | [b'R' | b'B', b'F' | b'W', b'6', b'4', _, _, _, _, b'W', b'A', b'V', b'E', ..] => {
                Some(Self::Wav)
            }
            [b'O', b'g', b'g', b'S', ..] => Some(Self::Ogg),
            [b'f', b'L', b'a', b'C', ..] => Some(Self::Flac),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Self::Mp4),
            [0x1A, 0x45, 0xDF, 0xA3, ..] => Some(Self::Matroska),
            [b'I', b'D', b'3', ..] => Some(behind_id3(bytes)),
            _ if is_mpeg_frame(bytes) => Some(Self::Mp3),
            _ => None,
        }
    }

    /// ffmpeg's name of the demuxer. It is always forced: ffmpeg's own guess would also find
    /// playlists, which name other files.
    pub(crate) fn demuxer(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Mp4 => "mov",
            Self::Matroska => "matroska",
        }
    }
}

/// An ID3 tag mostly stands before MP3, sometimes before FLAC.
fn behind_id3(bytes: &[u8]) -> Container {
    // The tag's size is in four bytes of seven bits each and does not count its ten-byte header.
    let size = bytes
        .get(6..10)
        .map_or(0, |size| size.iter().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7F)));
    match bytes.get(10 + size..) {
        Some([b'f', b'L', b'a', b'C', ..]) => Container::Flac,
        _ => Container::Mp3,
    }
}

/// Whether `bytes` begin with the header of an MPEG audio frame of layer 2 or 3: eleven sync bits,
/// then version, layer, bit rate and sample rate, each with values that are reserved.
fn is_mpeg_frame(bytes: &[u8]) -> bool {
    let [0xFF, second, third, ..] = *bytes else {
        return false;
    };
    let version = second >> 3 & 3;
    let layer = second >> 1 & 3;
    second >> 5 == 7
        && version != 1
        && (layer == 1 || layer == 2)
        && third >> 4 != 15
        && third >> 2 & 3 != 3
}

/// What bytes that are no audio look like, to complete the sentence "it begins …".
pub(crate) fn looks_like(bytes: &[u8]) -> String {
    const KNOWN: [(&[u8], &str); 12] = [
        (b"\x89PNG", "like a PNG picture"),
        (b"\xFF\xD8\xFF", "like a JPEG picture"),
        (b"GIF8", "like a GIF picture"),
        (b"RIFF", "like a RIFF file that is not WAVE"),
        (b"FORM", "like an AIFF file"),
        (b"%PDF", "like a PDF document"),
        (b"PK\x03\x04", "like a ZIP archive"),
        (b"\x1F\x8B", "like a gzip archive"),
        (b"#EXTM3U", "like a playlist"),
        (b"ffconcat", "like a playlist"),
        (b"<", "like HTML or XML"),
        (b"{", "like JSON"),
    ];
    let known = KNOWN.iter().find(|(start, _)| bytes.starts_with(start));
    if let Some((_, description)) = known {
        return (*description).to_owned();
    }
    let start = &bytes[..bytes.len().min(64)];
    if is_text(start) {
        return "like text".to_owned();
    }
    let shown: Vec<_> = start.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("with the bytes {}", shown.join(" "))
}

/// Whether `start` is UTF-8 without control characters; its last character may be cut off.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(cut) if cut.error_len().is_none() => {
            std::str::from_utf8(&start[..cut.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.chars().any(|character| character.is_control() && !character.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_told_apart_by_their_first_bytes() {
        let cases: [(&[u8], Container); 11] = [
            (b"RIFF\0\0\0\0WAVEfmt ", Container::Wav),
            (b"RF64\xFF\xFF\xFF\xFFWAVEds64", Container::Wav),
            (b"OggS\0", Container::Ogg),
            (b"fLaC\0", Container::Flac),
            (b"\0\0\0\x20ftypM4A ", Container::Mp4),
            (b"\x1A\x45\xDF\xA3", Container::Matroska),
            (b"ID3\x04\0\0\0\0\0\x02xx\xFF\xFB", Container::Mp3),
            (b"ID3\x04\0\0\0\0\0\x02xxfLaC", Container::Flac),
            (b"ID3", Container::Mp3),
            (b"\xFF\xFB\x90\x64", Container::Mp3),
            (b"\xFF\xF3\x40\xC0", Container::Mp3),
        ];
        for (bytes, container) in cases {
            assert_eq!(Container::of(bytes), Some(container), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_no_audio_is_described() {
        let cases: [(&[u8], &str); 10] = [
            ("Привет, мир".as_bytes(), "like text"),
            (b"#EXTM3U\nfile.wav", "like a playlist"),
            (b"<!doctype html>", "like HTML or XML"),
            (b"RIFF\0\0\0\0WEBP", "like a RIFF file that is not WAVE"),
            (b"\xFF\xD8\xFF\xE0", "like a JPEG picture"),
            // UTF-16 text and raw AAC share the sync bits of MP3.
            (b"\xFF\xFEh\0i\0", "with the bytes ff fe 68 00 69 00"),
            (b"\xFF\xF1\x50\x80", "with the bytes ff f1 50 80"),
            (b"\0\0\0\0", "with the bytes 00 00 00 00"),
            (b"RIFF", "like a RIFF file that is not WAVE"),
            (b"\xFF", "with the bytes ff"),
        ];
        for (bytes, description) in cases {
            assert_eq!(Container::of(bytes), None, "{bytes:x?}");
            assert_eq!(looks_like(bytes), description);
        }
    }

    #[test]
    fn text_is_recognised_when_its_beginning_cuts_a_character() {
        let text = format!("a{}", "я".repeat(100));
        assert_eq!(looks_like(text.as_bytes()), "like text");
    }
}
