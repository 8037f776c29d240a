//! The voices of the engine (it calls them variants), and which of them a name means.

use std::collections::BTreeMap;

use duolip_pipeline::speech::SpeechError;

use super::table::rows;

/// The folder of the variants in the engine's data.
const VARIANTS: &str = "!v/";

/// From name, in lower case, to the file name that follows the `+` of `-v ru+f2`.
///
/// The engine silently ignores a variant whose case is wrong, so the file name must be exact.
#[derive(Debug)]
pub(super) struct Voices {
    files: Vec<String>,
    by_name: BTreeMap<String, String>,
}

impl Voices {
    /// The voices of `espeak-ng --voices=variant`.
    pub(super) fn from_table(table: &str) -> Self {
        let variants: Vec<_> = rows(table)
            .filter_map(|row| Some((row.name, row.file.strip_prefix(VARIANTS)?)))
            .collect();
        let mut by_name = BTreeMap::new();
        // File names first: a voice's name may not take another voice's file name away.
        let names = variants.iter().map(|&(_, file)| (file, file)).chain(variants.iter().copied());
        for (name, file) in names {
            by_name.entry(name.to_lowercase()).or_insert_with(|| file.to_owned());
        }
        let mut files: Vec<_> = variants.iter().map(|&(_, file)| file.to_owned()).collect();
        files.sort_unstable_by_key(|file| file.to_lowercase());
        Self { files, by_name }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str)
    }

    /// The file of `voice`, which may be the file's name or the voice's own, in any case.
    pub(super) fn file(&self, voice: &str) -> Result<&str, SpeechError> {
        self.by_name.get(&voice.to_lowercase()).map(String::as_str).ok_or_else(|| {
            SpeechError::UnknownVoice { voice: voice.to_owned(), known: self.files.join(", ") }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  variant         --/F      Annie              !v/Annie
 5  variant         --/M      Mr_Serious         !v/Mr serious
 5  variant         --/F      female2            !v/f2
 5  variant         --/M      f2                 !v/impostor
 5  ru              --/M      Russian            zle/ru
";

    #[test]
    fn a_voice_is_found_by_file_and_by_name_in_any_case() {
        let voices = Voices::from_table(TABLE);
        for (name, file) in [
            ("annie", "Annie"),
            ("F2", "f2"),
            ("Female2", "f2"),
            ("mr_serious", "Mr serious"),
            ("Mr Serious", "Mr serious"),
        ] {
            assert_eq!(voices.file(name).unwrap(), file);
        }
    }

    #[test]
    fn an_unknown_voice_is_answered_with_the_known_ones() {
        let error = Voices::from_table(TABLE).file("f2+f3").unwrap_err();
        assert_eq!(
            error.to_string(),
            "voice \"f2+f3\" is unknown; known: Annie, f2, impostor, Mr serious"
        );
    }
}
