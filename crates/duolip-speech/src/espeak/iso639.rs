//! ISO 639: codes of three letters → codes of two, for the languages that have both.
//!
//! The engine lists such languages by two letters. Only those it speaks are here.

/// Sorted by the code of three letters, which is the terminological or the bibliographic one.
///
/// # Source
/// ISO 639-1 and ISO 639-2.
#[rustfmt::skip]
const CODES: [(&str, &str); 112] = [
    ("afr", "af"), ("alb", "sq"), ("amh", "am"), ("ara", "ar"), ("arg", "an"), ("arm", "hy"),
    ("asm", "as"), ("aze", "az"), ("bak", "ba"), ("baq", "eu"), ("bel", "be"), ("ben", "bn"),
    ("bos", "bs"), ("bul", "bg"), ("bur", "my"), ("cat", "ca"), ("ces", "cs"), ("chi", "zh"),
    ("chv", "cv"), ("cym", "cy"), ("cze", "cs"), ("dan", "da"), ("deu", "de"), ("dut", "nl"),
    ("ell", "el"), ("eng", "en"), ("epo", "eo"), ("est", "et"), ("eus", "eu"), ("fas", "fa"),
    ("fin", "fi"), ("fra", "fr"), ("fre", "fr"), ("geo", "ka"), ("ger", "de"), ("gla", "gd"),
    ("gle", "ga"), ("gre", "el"), ("grn", "gn"), ("guj", "gu"), ("hat", "ht"), ("heb", "he"),
    ("hin", "hi"), ("hrv", "hr"), ("hun", "hu"), ("hye", "hy"), ("ice", "is"), ("ido", "io"),
    ("ina", "ia"), ("ind", "id"), ("isl", "is"), ("ita", "it"), ("jpn", "ja"), ("kal", "kl"),
    ("kan", "kn"), ("kat", "ka"), ("kaz", "kk"), ("kir", "ky"), ("kor", "ko"), ("kur", "ku"),
    ("lat", "la"), ("lav", "lv"), ("lit", "lt"), ("ltz", "lb"), ("mac", "mk"), ("mal", "ml"),
    ("mao", "mi"), ("mar", "mr"), ("may", "ms"), ("mkd", "mk"), ("mlt", "mt"), ("mri", "mi"),
    ("msa", "ms"), ("mya", "my"), ("nep", "ne"), ("nld", "nl"), ("nob", "nb"), ("nor", "no"),
    ("ori", "or"), ("orm", "om"), ("pan", "pa"), ("per", "fa"), ("pol", "pl"), ("por", "pt"),
    ("que", "qu"), ("ron", "ro"), ("rum", "ro"), ("rus", "ru"), ("sin", "si"), ("slk", "sk"),
    ("slo", "sk"), ("slv", "sl"), ("snd", "sd"), ("spa", "es"), ("sqi", "sq"), ("srp", "sr"),
    ("swa", "sw"), ("swe", "sv"), ("tam", "ta"), ("tat", "tt"), ("tel", "te"), ("tha", "th"),
    ("tsn", "tn"), ("tuk", "tk"), ("tur", "tr"), ("uig", "ug"), ("ukr", "uk"), ("urd", "ur"),
    ("uzb", "uz"), ("vie", "vi"), ("wel", "cy"), ("zho", "zh"),
];

/// The code of two letters for `code`; `code` itself when it has none.
pub(super) fn two_letter_code(code: &str) -> &str {
    CODES.binary_search_by_key(&code, |&(three, _)| three).map_or(code, |at| CODES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_sorted_so_that_each_is_found() {
        assert!(CODES.is_sorted_by_key(|&(three, _)| three));
        assert_eq!(two_letter_code("rus"), "ru");
        assert_eq!(two_letter_code("ger"), "de");
        assert_eq!(two_letter_code("cmn"), "cmn");
    }
}
