//! Preparer: an avatar's files → [`Avatar`], through the cache.

use std::path::Path;
use std::sync::Arc;

use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::{Avatar, FaceBox, FaceDetector, FaceError};
use duolip_pipeline::picture::Picture;
use duolip_pipeline::units::FrameRate;
use tracing::info;

use crate::cache::{AvatarCache, Key};
use crate::photo::picture_from_photo;
use crate::settings::AvatarSettings;
use crate::source::Source;

/// Prepares avatars, all in the same manner.
#[derive(Clone)]
pub struct AvatarPreparer {
    detector: Arc<dyn FaceDetector>,
    cache: Option<AvatarCache>,
    paste: Paste,
    input_sizes: Vec<usize>,
}

impl std::fmt::Debug for AvatarPreparer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AvatarPreparer")
            .field("cache", &self.cache)
            .field("paste", &self.paste)
            .field("input_sizes", &self.input_sizes)
            .finish_non_exhaustive()
    }
}

impl AvatarPreparer {
    /// A preparer for networks that take faces of `input_sizes` pixels; without a cache every
    /// avatar is prepared anew.
    #[must_use]
    pub fn new(
        detector: Arc<dyn FaceDetector>,
        cache: Option<AvatarCache>,
        paste: Paste,
        mut input_sizes: Vec<usize>,
    ) -> Self {
        input_sizes.sort_unstable();
        input_sizes.dedup();
        Self { detector, cache, paste, input_sizes }
    }

    /// Prepares the avatar at `path`, which the person at the keyboard named: a picture, or a
    /// folder with one. Blocks.
    ///
    /// Not for names that come over a network: those go through the registry.
    ///
    /// # Errors
    /// Any [`FaceError`] but [`FaceError::UnknownAvatar`].
    pub fn prepare_at(&self, path: &Path) -> Result<Arc<Avatar>, FaceError> {
        self.prepare(&Source::at(path)?).map(Arc::new)
    }

    pub(crate) fn prepare(&self, source: &Source) -> Result<Avatar, FaceError> {
        let settings_bytes = source.settings.as_ref().map(|settings| settings.bytes.as_slice());
        let key = Key::new(&source.photo.bytes, settings_bytes, self.paste, &self.input_sizes);
        if let Some(avatar) = self.cache.as_ref().and_then(|cache| cache.load(key, &source.name)) {
            return Ok(avatar);
        }
        let settings = match &source.settings {
            Some(settings) => AvatarSettings::from_toml(&settings.label, &settings.bytes)?,
            None => AvatarSettings::default(),
        };
        let photo = picture_from_photo(&source.photo.label, &source.photo.bytes)?;
        let avatar = Avatar::prepare(
            &source.name,
            &photo,
            self.face_box(&source.photo.label, &photo, &settings)?,
            settings.frame_rate.unwrap_or(FrameRate::DEFAULT),
            self.paste,
            &self.input_sizes,
        )?;
        info!(avatar = source.name, face_box = ?avatar.face_box, "avatar prepared");
        if let Some(cache) = &self.cache {
            cache.store(key, &avatar);
        }
        Ok(avatar)
    }

    fn face_box(
        &self,
        label: &str,
        photo: &Picture,
        settings: &AvatarSettings,
    ) -> Result<FaceBox, FaceError> {
        if let Some(face_box) = settings.face_box {
            return Ok(face_box);
        }
        let (width, height) = (photo.width, photo.height);
        let found = self.detector.detect(photo)?.ok_or_else(|| FaceError::NoFace {
            photo: label.to_owned(),
            width,
            height,
        })?;
        Ok(found.padded(settings.pads.unwrap_or_default(), width, height))
    }
}
