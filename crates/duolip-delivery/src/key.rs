//! The full name of an artifact in its store: prefix and name, checked once and for all stores.
//!
//! What passes here is safe as a file below a folder, as an S3 key and, encoded, in a URL.

use std::fmt;

use duolip_pipeline::deliver::DeliverError;

/// S3's limit for a key, in bytes of UTF-8.
const LONGEST_KEY_BYTES: usize = 1024;

/// What file systems take for the name of one file or folder.
const LONGEST_PART_BYTES: usize = 255;

/// A checked key: relative, `/` between its parts, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(String);

impl Key {
    /// The key of `name` below `prefix`, which has been checked by [`prefix_fault`].
    pub(crate) fn new(prefix: &str, name: &str) -> Result<Self, DeliverError> {
        let bad = |reason| DeliverError::BadName { name: name.to_owned(), reason };
        if let Some(reason) = fault(name) {
            return Err(bad(reason));
        }
        let prefix = prefix.trim_end_matches('/');
        let key = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if key.len() > LONGEST_KEY_BYTES {
            return Err(bad("with its prefix it is longer than 1024 bytes"));
        }
        Ok(Self(key))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of this key below `prefix`, a URL.
    pub(crate) fn below(&self, prefix: &str) -> String {
        format!("{}/{}", prefix.trim_end_matches('/'), percent_encoded(self.0.as_bytes()))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with `prefix`; an empty one and one closed by `/` are sound.
pub(crate) fn prefix_fault(prefix: &str) -> Option<&'static str> {
    if prefix.is_empty() { None } else { fault(prefix.strip_suffix('/').unwrap_or(prefix)) }
}

fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > LONGEST_KEY_BYTES {
        return Some("it is longer than 1024 bytes");
    }
    // A backslash is a separator to some readers of the same name.
    if path.chars().any(|character| character.is_control() || character == '\\') {
        return Some("it has a control character or a backslash");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("it begins or ends with a slash, or has two in a row"),
        "." | ".." => Some("it has . or .. between its slashes"),
        long if long.len() > LONGEST_PART_BYTES => {
            Some("it has a part of more than 255 bytes between its slashes")
        }
        _ => None,
    })
}

/// `path` as the path of a URL: everything but unreserved characters and the slash is encoded.
pub(crate) fn percent_encoded(path: &[u8]) -> String {
    let mut encoded = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for nibble in [byte >> 4, byte & 15] {
                encoded.extend(
                    char::from_digit(u32::from(nibble), 16).map(|c| c.to_ascii_uppercase()),
                );
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_name_below_the_prefix() {
        for (prefix, key) in
            [("", "a/b.mp4"), ("videos", "videos/a/b.mp4"), ("v/w/", "v/w/a/b.mp4")]
        {
            assert_eq!(prefix_fault(prefix), None, "{prefix:?}");
            assert_eq!(Key::new(prefix, "a/b.mp4").unwrap().as_str(), key);
        }
    }

    #[test]
    fn a_prefix_that_leaves_its_place_is_found_out() {
        for prefix in ["/", "/videos", "a//b", "a/../b", "..", "a//"] {
            assert!(prefix_fault(prefix).is_some(), "{prefix:?} passed");
        }
    }

    #[test]
    fn the_prefix_counts_in_the_length_of_a_key() {
        let prefix = ["p".repeat(200).as_str(); 4].join("/");
        assert_eq!(prefix_fault(&prefix), None);
        let name = "n".repeat(255);
        let error = Key::new(&prefix, &name).unwrap_err().to_string();
        assert!(error.contains("longer than 1024 bytes"), "{error}");
        Key::new("", &name).unwrap();
    }

    #[test]
    fn an_address_has_its_special_characters_encoded_and_its_slashes_not() {
        let key = Key::new("", "день 1/100%?.mp4").unwrap();
        assert_eq!(
            key.below("https://cdn.example.com/v/"),
            "https://cdn.example.com/v/%D0%B4%D0%B5%D0%BD%D1%8C%201/100%25%3F.mp4"
        );
    }
}
