//! The manifest: JSON Lines → jobs. Read line by line, so that its size does not matter; only the
//! names of jobs are remembered.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read as _};

use duolip_delivery::{LocationError, S3Location};
use duolip_pipeline::ErrorKind;
use duolip_pipeline::error::Classify;
use serde_json::{Map, Value};

use super::job::{JobLine, Line};
use crate::config::DeliveryArgs;
use crate::store::{self, S3_SCHEME, StoreError};

/// Characters in the name of a job.
const ID_CHARS: usize = 128;

/// The largest manifest, and the most results, that are read from a bucket.
pub(super) const OBJECT_BYTES: u64 = 256 << 20;

/// A manifest that is open.
pub struct Manifest {
    lines: Box<dyn BufRead + Send>,
    /// Whether reading may wait for ever, as for somebody who types.
    pub(super) may_wait: bool,
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Manifest")
    }
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be opened.
    #[error("the manifest {location} cannot be opened")]
    Unopened {
        /// What was asked for.
        location: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Reading failed half-way.
    #[error("the manifest could not be read to its end")]
    Broken(#[source] std::io::Error),
    /// It is no place in S3.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The server's settings cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object cannot be read.
    #[error("the manifest cannot be fetched: {0}")]
    Object(#[from] duolip_delivery::ObjectError),
}

impl Classify for ManifestError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unopened { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
                ErrorKind::NotFound
            }
            Self::Unopened { .. } | Self::Location(_) => ErrorKind::InvalidInput,
            Self::Broken(_) => ErrorKind::Internal,
            Self::Store(error) => error.kind(),
            Self::Object(error) => error.kind(),
        }
    }
}

impl Manifest {
    /// Opens the manifest at `location`: a file, `-` for the standard input, or `s3://bucket/key`.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub async fn open(location: &str, delivery: &DeliveryArgs) -> Result<Self, ManifestError> {
        if location == "-" {
            return Ok(Self { lines: Box::new(BufReader::new(std::io::stdin())), may_wait: true });
        }
        if location.starts_with(S3_SCHEME) {
            let place = S3Location::parse(location)?;
            let content = store::objects(delivery)?.read(&place, OBJECT_BYTES).await?.content;
            return Ok(Self::of(content));
        }
        match File::open(location) {
            Ok(file) => Ok(Self { lines: Box::new(BufReader::new(file)), may_wait: false }),
            Err(source) => Err(ManifestError::Unopened { location: location.to_owned(), source }),
        }
    }

    /// A manifest that is in memory.
    #[must_use]
    pub fn of(content: Vec<u8>) -> Self {
        Self { lines: Box::new(Cursor::new(content)), may_wait: false }
    }
}

/// The part of a manifest that one of several processes renders: every `of`-th line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    index: usize,
    /// Of how many.
    of: usize,
}

impl Shard {
    /// All of the manifest.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Shard `index` of `of`, counted from 0.
    ///
    /// # Errors
    /// A message when there is no such shard.
    pub fn new(index: usize, of: usize) -> Result<Self, String> {
        if index < of {
            Ok(Self { index, of })
        } else {
            Err(format!("there is no shard {index} of {of}; they are counted from 0"))
        }
    }

    /// `place` for one of several: with its number before the ending.
    pub(super) fn name(self, place: &str) -> String {
        if self.of == 1 {
            return place.to_owned();
        }
        let name = place.rfind('/').map_or(0, |slash| slash + 1);
        let dot = place[name..].rfind('.').filter(|&dot| dot > 0).map(|dot| name + dot);
        let (stem, ending) = place.split_at(dot.unwrap_or(place.len()));
        format!("{stem}-{}-of-{}{ending}", self.index, self.of)
    }

    /// Whether the line `number`, counted from 1, belongs to it.
    #[must_use]
    pub const fn has(self, number: usize) -> bool {
        (number - 1) % self.of == self.index
    }
}

/// Why a line of a manifest is no job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// Longer than any request may be.
    #[error("line {number} is longer than {limit_bytes} bytes")]
    TooLong {
        /// Its number.
        number: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Not JSON, or not an object.
    #[error("line {number} is not a JSON object: {reason}")]
    NotJson {
        /// Its number.
        number: usize,
        /// What the parser said.
        reason: String,
    },
    /// It names no job.
    #[error(
        "id is missing; it must be a text of 1 to {ID_CHARS} letters, digits, dots, hyphens and underscores"
    )]
    NoId,
    /// The name could not be that of a file.
    #[error(
        "id is {id:?}; it must have 1 to {ID_CHARS} letters, digits, dots, hyphens and underscores, and begin with none of the last three"
    )]
    BadId {
        /// The name, cut off.
        id: String,
    },
    /// The name was given before.
    #[error("line {number} has the id {id:?} of an earlier line")]
    Duplicate {
        /// Its number.
        number: usize,
        /// The name.
        id: String,
    },
}

impl Classify for BadLine {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLong { .. } => ErrorKind::TooLarge,
            Self::NotJson { .. } => ErrorKind::Unparsable,
            _ => ErrorKind::InvalidInput,
        }
    }
}

/// The job that `object` is.
pub(super) fn job_of(mut object: Map<String, Value>) -> Result<JobLine, BadLine> {
    let id = match object.remove("id") {
        Some(Value::String(id)) => id,
        None | Some(Value::Null) => return Err(BadLine::NoId),
        Some(other) => {
            return Err(BadLine::BadId { id: other.to_string().chars().take(80).collect() });
        }
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let begins = id.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !begins || id.len() > ID_CHARS || !id.chars().all(fits) {
        return Err(BadLine::BadId { id: id.chars().take(80).collect() });
    }
    Ok(JobLine { id, object })
}

/// The lines of a manifest that belong to a shard. Blank lines are counted and left out.
pub(super) struct Lines {
    manifest: Manifest,
    limit_bytes: usize,
    shard: Shard,
    number: usize,
    ids: HashSet<String>,
}

impl Lines {
    pub(super) fn new(manifest: Manifest, limit_bytes: usize, shard: Shard) -> Self {
        Self { manifest, limit_bytes, shard, number: 0, ids: HashSet::new() }
    }

    /// The next line without its end; `None` at the end of the manifest. Of one that is too long
    /// nothing is kept.
    fn next_text(&mut self) -> std::io::Result<Option<Result<Vec<u8>, BadLine>>> {
        let mut text = Vec::new();
        let most = self.limit_bytes as u64 + 1;
        if (&mut self.manifest.lines).take(most).read_until(b'\n', &mut text)? == 0 {
            return Ok(None);
        }
        self.number += 1;
        if text.last() == Some(&b'\n') {
            text.pop();
        } else if text.len() > self.limit_bytes {
            self.manifest.lines.skip_until(b'\n')?;
            let (number, limit_bytes) = (self.number, self.limit_bytes);
            return Ok(Some(Err(BadLine::TooLong { number, limit_bytes })));
        }
        Ok(Some(Ok(text)))
    }

    fn job(&mut self, text: &[u8]) -> Result<JobLine, BadLine> {
        let number = self.number;
        let object = serde_json::from_slice(text)
            .map_err(|error| BadLine::NotJson { number, reason: error.to_string() })?;
        let job = job_of(object)?;
        if !self.ids.insert(job.id.clone()) {
            return Err(BadLine::Duplicate { number, id: job.id });
        }
        Ok(job)
    }
}

impl Iterator for Lines {
    type Item = Result<Line, ManifestError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = match self.next_text() {
                Ok(text) => text?,
                Err(error) => return Some(Err(ManifestError::Broken(error))),
            };
            if text.as_ref().is_ok_and(|text| text.trim_ascii().is_empty()) {
                continue;
            }
            // A line of another shard is read all the same: its id may come again in this one's.
            let content = text.and_then(|text| self.job(&text));
            if self.shard.has(self.number) {
                return Some(Ok(Line { number: Some(self.number), content }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], shard: Shard) -> Vec<(usize, Result<String, String>)> {
        let lines = Lines::new(Manifest::of(text.to_vec()), 40, shard);
        let told = |line: Line| {
            let content = line.content.map(|job| job.id).map_err(|error| error.to_string());
            (line.number.unwrap(), content)
        };
        lines.map(|line| told(line.unwrap())).collect()
    }

    #[test]
    fn every_bad_line_is_told_by_its_number_and_the_others_go_on() {
        let text = [
            br#"{"id": "a", "text": "x"}"#.as_slice(),
            b"",
            b"{\"id\": \"\xff\"}",
            br#"{"id": "a"}"#,
            br#"["id"]"#,
            br#"{"text": "no name"}"#,
            br#"{"id": "../b"}"#,
            br#"{"id": 7}"#,
            br#"{"id": "long", "text": "................................"}"#,
            br#"{"id": "z"}"#,
        ]
        .join(&b'\n');
        let told = lines(&text, Shard::WHOLE);
        let numbers: Vec<_> = told.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 6, 7, 8, 9, 10]);
        let words = [
            "line 3 is not",
            "line 4 has the id \"a\"",
            "line 5 is not",
            "id is missing",
            "../b",
            "id is \"7\"",
            "line 9 is longer than 40 bytes",
        ];
        for ((number, content), words) in told[1..8].iter().zip(words) {
            let said = content.as_ref().unwrap_err();
            assert!(said.contains(words), "line {number}: {said} should say {words}");
        }
        assert_eq!((&told[0].1, &told[8].1), (&Ok("a".to_owned()), &Ok("z".to_owned())));
    }

    #[test]
    fn shards_share_every_line_and_a_repeated_name_is_seen_across_them() {
        let text = b"{\"id\":\"a\"}\n{\"id\":\"b\"}\n\n{\"id\":\"b\"}\n{\"id\":\"c\"}";
        let mut numbers = Vec::new();
        for index in 0..3 {
            let shard = Shard::new(index, 3).unwrap();
            for (number, content) in lines(text, shard) {
                assert_eq!(content.is_err(), number == 4, "{content:?}");
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 4, 5]);
        let second = Shard::new(1, 3).unwrap();
        for (place, name) in
            [("a.d/r", "a.d/r-1-of-3"), ("s3://b/r.jsonl", "s3://b/r-1-of-3.jsonl")]
        {
            assert_eq!(second.name(place), name);
            assert_eq!(Shard::WHOLE.name(place), place);
        }
        assert!(Shard::new(3, 3).unwrap_err().contains("no shard 3 of 3"));
    }
}
