//! espeak-ng: about a hundred languages, offline, a hundred times faster than real time.
//!
//! The program runs once per utterance, as a child process: the text goes in through stdin (never
//! through a shell or an argument), the WAV comes out of stdout. Which languages and voices exist
//! is asked of the engine itself, once, at construction.

mod iso639;
mod languages;
mod table;
mod text;
mod voices;
mod wav;

use std::path::PathBuf;
use std::process::Command;

use duolip_child::{ChildError, run};
use duolip_pipeline::CancellationToken;
use duolip_pipeline::folder::JobFolder;
use duolip_pipeline::speech::{Speech, SpeechError, SpeechSynthesizer, Utterance};

use languages::Languages;
use voices::Voices;

/// The engine's name in messages.
const ENGINE: &str = "espeak-ng";

/// The most that the engine's own lists may take; they take about 10 kB.
const LIST_LIMIT_BYTES: usize = 1 << 20;

/// How espeak-ng is to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspeakSettings {
    /// The program: a path, or a name to be found in the search path.
    pub program: PathBuf,
    /// The voice of an utterance that names none; the engine's own when absent.
    pub default_voice: Option<String>,
}

impl Default for EspeakSettings {
    /// `espeak-ng` of the search path, a female voice.
    fn default() -> Self {
        Self { program: PathBuf::from(ENGINE), default_voice: Some("f2".to_owned()) }
    }
}

impl EspeakSettings {
    /// The program. It would look for a sound server, and leave a folder for one in the user's home,
    /// though it plays nothing: so the server's place is one where none is.
    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("PULSE_SERVER", "/dev/null");
        command
    }
}

/// Why espeak-ng cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum EspeakError {
    /// The program is not there, or may not be run.
    #[error(
        "espeak-ng could not be started as {}; install it (Debian and Ubuntu: apt-get install \
         espeak-ng; macOS: brew install espeak-ng) or configure its path",
        program.display()
    )]
    Missing {
        /// What was to be started.
        program: PathBuf,
        /// What the operating system said.
        source: ChildError,
    },
    /// The program runs and fails even when it is only asked what it can do.
    #[error("espeak-ng could not be asked for its {list}")]
    Broken {
        /// Which list.
        list: &'static str,
        /// How it failed.
        source: ChildError,
    },
    /// The program lists no language: its data are missing, or it is another program.
    #[error("espeak-ng, started as {}, lists no language", program.display())]
    NoLanguages {
        /// What was started.
        program: PathBuf,
    },
    /// The configured default voice does not exist.
    #[error("the default voice does not exist")]
    DefaultVoice(#[source] SpeechError),
}

/// Speaks through the `espeak-ng` program.
#[derive(Debug)]
pub struct EspeakSynthesizer {
    settings: EspeakSettings,
    version: String,
    languages: Languages,
    voices: Voices,
}

impl EspeakSynthesizer {
    /// Starts the program and asks for its version, languages and voices.
    ///
    /// # Errors
    /// [`EspeakError`]: the program is missing or broken, or a setting is wrong.
    pub fn new(settings: EspeakSettings) -> Result<Self, EspeakError> {
        let ask = |list, argument| {
            let mut command = settings.command();
            run(command.arg(argument), b"", LIST_LIMIT_BYTES, &CancellationToken::new())
                .map(|answer| String::from_utf8_lossy(&answer).into_owned())
                .map_err(|source| match source {
                    ChildError::NotStarted { .. } => {
                        EspeakError::Missing { program: settings.program.clone(), source }
                    }
                    source => EspeakError::Broken { list, source },
                })
        };
        let version = version_in(&ask("version", "--version")?);
        let languages = Languages::from_table(&ask("languages", "--voices")?);
        let voices = Voices::from_table(&ask("voices", "--voices=variant")?);
        if languages.is_empty() {
            return Err(EspeakError::NoLanguages { program: settings.program });
        }
        if let Some(voice) = &settings.default_voice {
            voices.file(voice).map_err(EspeakError::DefaultVoice)?;
        }
        Ok(Self { settings, version, languages, voices })
    }

    /// The engine's version, such as `1.51`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The languages it speaks, sorted; their regional forms are understood as well.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.tags()
    }

    /// The voices it has, sorted.
    pub fn voices(&self) -> impl Iterator<Item = &str> {
        self.voices.files()
    }

    /// What the engine's `-v` takes for `language` and `voice`.
    fn voice_argument(&self, language: &str, voice: Option<&str>) -> Result<String, SpeechError> {
        let language = self.languages.file(language)?;
        Ok(match voice.or(self.settings.default_voice.as_deref()) {
            Some(voice) => format!("{language}+{}", self.voices.file(voice)?),
            None => language.to_owned(),
        })
    }
}

impl SpeechSynthesizer for EspeakSynthesizer {
    fn check(&self, language: &str, voice: Option<&str>) -> Result<(), SpeechError> {
        self.voice_argument(language, voice).map(drop)
    }

    fn synthesize(
        &self,
        utterance: &Utterance,
        limit_seconds: u32,
        // The WAV comes through a pipe: there is nothing to lay down.
        _folder: &JobFolder,
        cancel: &CancellationToken,
    ) -> Result<Speech, SpeechError> {
        let voice = self.voice_argument(&utterance.language, utterance.voice.as_deref())?;
        let mut command = self.settings.command();
        command.args(["--stdin", "--stdout", "-b", "1", "-v", &voice]);
        let wav = run(
            &mut command,
            text::without_markup(&utterance.text).as_bytes(),
            wav::bytes_of(limit_seconds),
            cancel,
        )
        .map_err(|error| match error {
            ChildError::TooMuchOutput { .. } => SpeechError::TooLong { limit_seconds },
            ChildError::Cancelled { .. } => SpeechError::Cancelled,
            error => SpeechError::Engine { program: ENGINE, source: error.into() },
        })?;
        wav::speech_from_wav(&wav)
    }
}

/// `1.51` of `eSpeak NG text-to-speech: 1.51  Data at: …`; the whole line when it reads otherwise.
fn version_in(answer: &str) -> String {
    let line = answer.lines().next().unwrap_or_default();
    let version = line.split_once(": ").and_then(|(_, rest)| rest.split_whitespace().next());
    version.unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests;
