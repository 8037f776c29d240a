//! avatar.toml: what its owner says of an avatar.

use duolip_pipeline::face::{FaceBox, FaceError, Pads};
use duolip_pipeline::units::FrameRate;
use serde::Deserialize;

/// The file's content; every field may be left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AvatarSettings {
    /// What people call the avatar; the registry goes by the folder's name.
    pub name: Option<String>,
    /// Under which licence, and from where, the photo is.
    pub licence: Option<String>,
    /// The frame rate of its videos; 25 when absent.
    pub frame_rate: Option<FrameRate>,
    /// Where its face is; found when absent.
    pub face_box: Option<FaceBox>,
    /// By how much a box that was found is widened; refused beside `face_box`.
    pub pads: Option<Pads>,
}

impl AvatarSettings {
    /// Reads the content of `file`.
    ///
    /// # Errors
    /// [`FaceError::BadSettings`], with the line, when it is not TOML, names an unknown field or
    /// holds a wrong value.
    pub fn from_toml(file: &str, content: &[u8]) -> Result<Self, FaceError> {
        let bad = |reason: String| FaceError::BadSettings { file: file.to_owned(), reason };
        let content = str::from_utf8(content).map_err(|error| bad(error.to_string()))?;
        let settings: Self = toml::from_str(content).map_err(|error| {
            let before = error.span().and_then(|span| content.get(..span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            bad(format!("line {line}: {}", error.message().trim_end()))
        })?;
        if settings.face_box.is_some() && settings.pads.is_some() {
            return Err(bad("pads widen a face box that is found, and face_box gives it".into()));
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &str) -> Result<AvatarSettings, String> {
        AvatarSettings::from_toml("anna/avatar.toml", content.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn every_field_is_read() {
        let settings = read(
            "name = \"Анна\"\nlicence = \"CC0\"\nframe_rate = \"30000/1001\"\n\
             [face_box]\nleft = 1\ntop = 2\nright = 3\nbottom = 4\n",
        )
        .unwrap();
        assert_eq!(settings.name.as_deref(), Some("Анна"));
        assert_eq!(settings.frame_rate, FrameRate::new(30_000, 1_001).ok());
        assert_eq!(settings.face_box, Some(FaceBox { left: 1, top: 2, right: 3, bottom: 4 }));
        let pads = read("pads = { bottom = 0 }").unwrap().pads;
        assert_eq!(pads, Some(Pads { bottom: 0, ..Pads::default() }));
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(read("").unwrap(), AvatarSettings::default());
    }

    #[test]
    fn a_typing_mistake_is_named_with_its_line_and_the_fields_there_are() {
        let error = read("name = \"Anna\"\nframerate = 25\n").unwrap_err();
        assert_eq!(
            error,
            "anna/avatar.toml is not a valid avatar.toml: line 2: unknown field `framerate`, \
             expected one of `name`, `licence`, `frame_rate`, `face_box`, `pads`"
        );
    }

    #[test]
    fn wrong_values_are_refused() {
        for (content, word) in [
            ("frame_rate = 0", "frame rate"),
            ("pads = { below = 1 }", "below"),
            ("face_box = { left = -1, top = 0, right = 9, bottom = 9 }", "-1"),
            ("face_box = { left = 1 }", "top"),
            ("name = ", "line 1"),
            ("pads = {}\nface_box = { left = 0, top = 0, right = 9, bottom = 9 }", "pads"),
        ] {
            let error = read(content).unwrap_err();
            assert!(error.contains(word), "{content}: {error}");
        }
        assert!(AvatarSettings::from_toml("avatar.toml", b"name = \"\xff\"").is_err());
    }
}
