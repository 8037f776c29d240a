//! Validation: job request → job. Limits and rules that need no I/O.

use serde::Serialize;

use crate::chunk::WORKERS;
use crate::error::{Classify, ErrorKind};
use crate::lipsync::Look;
use crate::speech::Utterance;

/// Characters in the name of a language, voice or avatar.
const NAME_CHARS: usize = 64;

/// What a request may ask for at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Characters of text.
    pub text_chars: usize,
    /// Bytes of audio, decoded from base64.
    pub audio_bytes: usize,
    /// Seconds of speech.
    pub speech_seconds: u32,
}

/// A job as it arrives, whatever the trigger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobRequest {
    /// What to say; or `audio`.
    pub text: Option<String>,
    /// The speech itself, as a file's bytes; or `text`.
    pub audio: Option<Vec<u8>>,
    /// The language of `text`.
    pub language: String,
    /// A voice of the synthesizer.
    pub voice: Option<String>,
    /// A name from the avatar registry.
    pub avatar: String,
    /// The number of chunks; the plan's own rule when absent.
    pub num_workers: Option<i64>,
    /// The models that render, in the order in which chunks are dealt out.
    pub models: Vec<Look>,
}

/// Where the speech of a job comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpeechSource {
    /// It is synthesised.
    Text(Utterance),
    /// It is given.
    Audio(Vec<u8>),
}

/// A job that may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Sortable by time.
    pub id: JobId,
    /// Where the speech comes from.
    pub speech: SpeechSource,
    /// A name from the avatar registry.
    pub avatar: String,
    /// The number of chunks asked for, 1..=16.
    pub workers: Option<usize>,
    /// At least one, none twice.
    pub models: Vec<Look>,
    /// The limits it was checked against.
    pub limits: Limits,
}

/// The name of a job in headers, logs and artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct JobId(uuid::Uuid);

impl JobId {
    /// A new one; later ones sort after earlier ones.
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl Default for JobId {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidJob {
    /// Neither text nor audio.
    #[error("the request has neither text nor audio; give one of them")]
    NothingGiven,
    /// Both text and audio.
    #[error("the request has both text and audio; give one of them")]
    BothGiven,
    /// Text without a letter or digit.
    #[error("text holds no letter and no digit: there is nothing to say")]
    NothingToSay,
    /// A control character other than a line break or tab.
    #[error(
        "text holds the control character U+{code:04X} at character {at}; only tabs and line breaks are taken"
    )]
    ControlCharacter {
        /// Its code point.
        code: u32,
        /// Its place, in characters.
        at: usize,
    },
    /// Too much text.
    #[error("text has {chars} characters; the limit is {limit}")]
    TextTooLong {
        /// How many there are.
        chars: usize,
        /// How many there may be.
        limit: usize,
    },
    /// Audio without a byte.
    #[error("audio has 0 bytes")]
    NoAudio,
    /// Too much audio.
    #[error("audio has {bytes} bytes; the limit is {limit}")]
    AudioTooLarge {
        /// How many there are.
        bytes: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A number of workers out of range.
    #[error("num_workers is {value}; it must be from {} to {}", WORKERS.start(), WORKERS.end())]
    Workers {
        /// The number asked for.
        value: i64,
    },
    /// A name that is longer than any name.
    #[error("{field} has {chars} characters; the limit is {NAME_CHARS}")]
    NameTooLong {
        /// The field.
        field: &'static str,
        /// How many there are.
        chars: usize,
    },
    /// No models.
    #[error("models is empty; name \"gan\", \"nogan\" or both")]
    NoModels,
    /// A model named twice.
    #[error("models names {0} twice")]
    ModelTwice(Look),
}

impl Classify for InvalidJob {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TextTooLong { .. } | Self::AudioTooLarge { .. } => ErrorKind::TooLarge,
            Self::NameTooLong { .. } => ErrorKind::LimitExceeded,
            _ => ErrorKind::InvalidInput,
        }
    }
}

impl JobRequest {
    /// Checks the request against `limits`.
    ///
    /// # Errors
    /// [`InvalidJob`], which names the value and the limit.
    pub fn check(&self, limits: Limits) -> Result<(), InvalidJob> {
        match (&self.text, &self.audio) {
            (None, None) => return Err(InvalidJob::NothingGiven),
            (Some(_), Some(_)) => return Err(InvalidJob::BothGiven),
            (Some(text), None) => check_text(text, limits.text_chars)?,
            (None, Some(audio)) => check_audio(audio, limits.audio_bytes)?,
        }
        let voice = self.voice.as_deref().unwrap_or_default();
        for (field, name) in
            [("language", self.language.as_str()), ("voice", voice), ("avatar", &self.avatar)]
        {
            let chars = name.chars().count();
            if chars > NAME_CHARS {
                return Err(InvalidJob::NameTooLong { field, chars });
            }
        }
        self.workers()?;
        if self.models.is_empty() {
            return Err(InvalidJob::NoModels);
        }
        for (index, look) in self.models.iter().enumerate() {
            if self.models[..index].contains(look) {
                return Err(InvalidJob::ModelTwice(*look));
            }
        }
        Ok(())
    }

    /// Makes a job of a request that passes [`JobRequest::check`].
    ///
    /// # Errors
    /// [`InvalidJob`].
    pub fn validate(self, limits: Limits) -> Result<Job, InvalidJob> {
        self.check(limits)?;
        let workers = self.workers()?;
        let Self { text, audio, language, voice, avatar, models, .. } = self;
        let speech = match (text, audio) {
            (Some(text), _) => SpeechSource::Text(Utterance { text, language, voice }),
            (None, Some(audio)) => SpeechSource::Audio(audio),
            (None, None) => return Err(InvalidJob::NothingGiven),
        };
        Ok(Job { id: JobId::new(), speech, avatar, workers, models, limits })
    }

    fn workers(&self) -> Result<Option<usize>, InvalidJob> {
        let in_range = |value| {
            let workers = usize::try_from(value).ok().filter(|workers| WORKERS.contains(workers));
            workers.ok_or(InvalidJob::Workers { value })
        };
        self.num_workers.map(in_range).transpose()
    }
}

fn check_text(text: &str, limit: usize) -> Result<(), InvalidJob> {
    let chars = text.chars().count();
    if chars > limit {
        return Err(InvalidJob::TextTooLong { chars, limit });
    }
    let unspeakable = |(_, c): &(usize, char)| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if let Some((at, c)) = text.chars().enumerate().find(unspeakable) {
        return Err(InvalidJob::ControlCharacter { code: c.into(), at });
    }
    if !text.chars().any(char::is_alphanumeric) {
        return Err(InvalidJob::NothingToSay);
    }
    Ok(())
}

fn check_audio(audio: &[u8], limit: usize) -> Result<(), InvalidJob> {
    match audio.len() {
        0 => Err(InvalidJob::NoAudio),
        bytes if bytes > limit => Err(InvalidJob::AudioTooLarge { bytes, limit }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { text_chars: 20, audio_bytes: 10, speech_seconds: 60 };

    fn request() -> JobRequest {
        JobRequest {
            text: Some("Привет!".into()),
            language: "ru".into(),
            avatar: "anna".into(),
            models: Look::PAIR.to_vec(),
            ..JobRequest::default()
        }
    }

    fn refusal(request: JobRequest) -> String {
        request.validate(LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn a_good_request_becomes_a_job() {
        let job = JobRequest { num_workers: Some(16), ..request() }.validate(LIMITS).unwrap();
        assert_eq!(job.workers, Some(16));
        assert_eq!(job.models, Look::PAIR);
    }

    #[test]
    fn every_refusal_names_the_value_and_the_limit() {
        let audio = |bytes| JobRequest { text: None, audio: Some(vec![0; bytes]), ..request() };
        let text = |text: &str| JobRequest { text: Some(text.into()), ..request() };
        let workers = |value| JobRequest { num_workers: Some(value), ..request() };
        let cases = [
            (text(""), "nothing to say"),
            (text(" 😀 …"), "nothing to say"),
            (text("a\u{7}b"), "U+0007 at character 1"),
            (text("слишком длинный текст"), "21 characters; the limit is 20"),
            (audio(0), "0 bytes"),
            (audio(11), "11 bytes; the limit is 10"),
            (JobRequest { text: None, ..request() }, "neither"),
            (JobRequest { text: Some("a".into()), ..audio(1) }, "both"),
            (workers(0), "num_workers is 0; it must be from 1 to 16"),
            (workers(-1), "num_workers is -1; it must be from 1 to 16"),
            (workers(17), "num_workers is 17; it must be from 1 to 16"),
            (
                JobRequest { language: "r".repeat(65), ..request() },
                "65 characters; the limit is 64",
            ),
            (JobRequest { models: vec![], ..request() }, "models is empty"),
            (JobRequest { models: vec![Look::Gan, Look::Gan], ..request() }, "gan twice"),
        ];
        for (request, wanted) in cases {
            let refusal = refusal(request);
            assert!(refusal.contains(wanted), "{refusal} should say {wanted}");
        }
    }

    #[test]
    fn emoji_among_words_are_no_reason_to_refuse() {
        assert!(
            JobRequest { text: Some("Привет 😀!".into()), ..request() }.validate(LIMITS).is_ok()
        );
    }
}
