//! H.264 as x264 writes it: a byte stream's NAL units, bits, parameter sets.

pub(crate) mod bits;
pub(crate) mod nal;
pub(crate) mod parameters;

/// The side of a macroblock, in pixels.
pub(crate) const MACROBLOCK: usize = 16;

/// A byte stream is not what x264 writes with our settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum H264Error {
    /// It ends within a parameter set or a slice header.
    #[error("H.264 that x264 has coded is cut off")]
    Truncated,
    /// Something in it has a value that is not expected.
    #[error("x264 wrote {what} {found}, which is not expected of it")]
    Unsupported {
        /// The syntax element.
        what: &'static str,
        /// Its value.
        found: u32,
    },
}
