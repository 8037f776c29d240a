//! Networks that often lie beside Wav2Lip's generator and are mistaken for it, told by the names
//! of their tensors.
//!
//! Must not know the generator itself: whether 352 tensors are Wav2Lip is the compiler's question.

use std::fmt;

/// A network that is not the one wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownNetwork {
    /// `Wav2Lip_disc_qual`: the visual quality discriminator of the training.
    Discriminator,
    /// `lipsync_expert`, called `SyncNet`: it judges lip-sync.
    SyncNet,
    /// ESRGAN or Real-ESRGAN: enlarges pictures.
    Esrgan,
    /// GFPGAN: restores faces.
    Gfpgan,
    /// S3FD: finds faces.
    FaceDetector,
}

impl fmt::Display for KnownNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Discriminator => {
                "Wav2Lip's quality discriminator (visual_quality_disc), which only judged pictures during training"
            }
            Self::SyncNet => {
                "SyncNet (lipsync_expert), which only judges whether lips and speech agree"
            }
            Self::Esrgan => "an ESRGAN network, which enlarges pictures",
            Self::Gfpgan => "GFPGAN, which restores faces",
            Self::FaceDetector => "the face detector S3FD, which Duolip does not need",
        };
        write!(
            f,
            "this is {what}; the network that paints mouths is Wav2Lip-SD-GAN.pt or Wav2Lip-SD-NOGAN.pt (older: wav2lip_gan.pth, wav2lip.pth), see docs/models.md"
        )
    }
}

impl KnownNetwork {
    /// The wrong network that has these names, if it is a known one.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Option<Self> {
        let names: Vec<&str> = names.collect();
        let starts = |prefix: &str| names.iter().any(|name| name.starts_with(prefix));
        let contains = |part: &str| names.iter().any(|name| name.contains(part));
        if starts("face_decoder_blocks.") {
            None
        } else if starts("binary_pred.") {
            Some(Self::Discriminator)
        } else if starts("face_encoder.") && starts("audio_encoder.") {
            Some(Self::SyncNet)
        } else if starts("stylegan_decoder.") {
            Some(Self::Gfpgan)
        } else if ["conv_body.", "RRDB_trunk.", "trunk_conv."].iter().any(|name| starts(name))
            || contains(".rdb1.")
            || contains(".RDB1.")
        {
            Some(Self::Esrgan)
        } else if starts("conv3_3_norm") {
            Some(Self::FaceDetector)
        } else {
            None
        }
    }
}
