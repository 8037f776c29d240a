//! The languages of the engine, and which of them a tag means.

use std::collections::BTreeMap;

use duolip_pipeline::speech::SpeechError;

use super::iso639::two_letter_code;
use super::table::rows;

/// Rows of this folder speak through another program, mbrola, which is not there.
const MBROLA: &str = "mb/";

/// How well a file fits a tag; the least is taken, of equals the first listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// The tag is its own.
    Own(u8),
    /// The tag is one of its other languages.
    Other(u8),
    /// Its own tag is a regional form of this one, which the engine does not list.
    Region(u8),
}

/// From tag, in lower case, to the engine's file.
#[derive(Debug)]
pub(super) struct Languages(BTreeMap<String, (Fit, String)>);

impl Languages {
    /// The languages of `espeak-ng --voices`.
    pub(super) fn from_table(table: &str) -> Self {
        let mut languages = Self(BTreeMap::new());
        for row in rows(table).filter(|row| !row.file.starts_with(MBROLA)) {
            languages.offer(row.language, Fit::Own(row.priority), row.file);
            for &(tag, priority) in &row.others {
                languages.offer(tag, Fit::Other(priority), row.file);
            }
            if let Some((primary, _)) = row.language.split_once('-') {
                languages.offer(primary, Fit::Region(row.priority), row.file);
            }
        }
        languages
    }

    fn offer(&mut self, tag: &str, fit: Fit, file: &str) {
        let entry = self.0.entry(tag.to_ascii_lowercase());
        let (best, chosen) = entry.or_insert_with(|| (fit, file.to_owned()));
        if fit < *best {
            *best = fit;
            file.clone_into(chosen);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The engine's file for `language`: a BCP-47 tag or an ISO 639 code of two or three letters,
    /// in any case. Subtags are dropped from the right until the engine knows the rest.
    ///
    /// # Source
    /// The order is the lookup of RFC 4647, section 3.4.
    pub(super) fn file(&self, language: &str) -> Result<&str, SpeechError> {
        let tag = language.to_ascii_lowercase().replace('_', "-");
        let (primary, subtags) = tag.split_at(tag.find('-').unwrap_or(tag.len()));
        let tag = [two_letter_code(primary), subtags].concat();
        let mut rest = tag.as_str();
        loop {
            if let Some((_, file)) = self.0.get(rest) {
                return Ok(file);
            }
            let Some((shorter, _)) = rest.rsplit_once('-') else {
                return Err(SpeechError::UnknownLanguage {
                    language: language.to_owned(),
                    known: self.tags().collect::<Vec<_>>().join(", "),
                });
            };
            rest = shorter;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  chr-US-Qaaa-x-west --/M      Cherokee_          iro/chr
 5  en-029          --/M      English_(Caribbean) gmw/en-029           (en 10)
 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 2  en-us           --/M      English_(America)  gmw/en-US            (en 3)
 5  hy              --/M      Armenian           ine/hy
 5  hyw             --/M      Armenian_(West)    ine/hyw              (hy 1)
 1  ru              --/M      russian-mbrola-1   mb/mb-ru1
 5  ru              --/M      Russian            zle/ru
 1  xx              --/M      mbrola-only        mb/mb-xx1
";

    #[test]
    fn tags_and_codes_find_their_file() {
        let languages = Languages::from_table(TABLE);
        for (tag, file) in [
            ("ru", "zle/ru"),
            ("RU", "zle/ru"),
            ("ru-RU", "zle/ru"),
            ("ru-Cyrl-RU-x-private", "zle/ru"),
            ("rus", "zle/ru"),
            ("en", "gmw/en"),
            ("en-AU", "gmw/en"),
            ("en_US", "gmw/en-US"),
            ("eng-US", "gmw/en-US"),
            ("hy", "ine/hy"),
            ("chr", "iro/chr"),
            ("chr-us-qaaa-x-west", "iro/chr"),
        ] {
            assert_eq!(languages.file(tag).unwrap(), file, "{tag}");
        }
    }

    #[test]
    fn an_unknown_language_is_answered_with_the_known_ones() {
        let languages = Languages::from_table(TABLE);
        for tag in ["", "-", "xx", "klingon", "ru ", "../ru"] {
            let error = languages.file(tag).unwrap_err().to_string();
            let wanted = format!(
                "language {tag:?} is unknown; known: chr, chr-us-qaaa-x-west, en, en-029, en-gb, \
                 en-us, hy, hyw, ru"
            );
            assert_eq!(error, wanted);
        }
    }
}
