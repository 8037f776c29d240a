//! x264's encoder, safe to call. What knows its structures is in shim.c.
#![expect(unsafe_code, reason = "x264 is a library in C")]

use std::ffi::{CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::Rectangle;

/// Settings on their way, x264's `x264_param_t`.
#[repr(C)]
struct Settings {
    _opaque: [u8; 0],
    _not_sync: PhantomData<*mut u8>,
}

/// An encoder with the picture that it is given.
#[repr(C)]
struct Shim {
    _opaque: [u8; 0],
    _not_sync: PhantomData<*mut u8>,
}

// SAFETY of all calls: pointers to settings and encoders come from `shim_settings` and `shim_open` and
// are not null; texts end with a zero byte and are not kept. `shim_open` frees the settings, whatever
// it answers.
unsafe extern "C" {
    /// A text that is never freed.
    safe fn shim_version() -> *const c_char;
    /// Null when x264 has no such preset (it says so on stderr) or there is no memory.
    fn shim_settings(preset: *const c_char, width: c_int, height: c_int) -> *mut Settings;
    /// x264's answer: -1 for a name it does not know, -2 for a value it does not take, else 0.
    fn shim_set(settings: *mut Settings, name: *const c_char, value: *const c_char) -> c_int;
    /// Null when x264 refuses the settings; it says why on stderr. `macroblocks` has a byte for each
    /// of a picture: 0, or `shim_constant` for one that never changes. It is read, and never written to,
    /// as long as the encoder lives.
    fn shim_open(settings: *mut Settings, macroblocks: *mut u8) -> *mut Shim;
    safe fn shim_constant() -> u8;
    /// The first byte of a plane (0 to 2) of the picture, and how many bytes its rows lie apart. It
    /// stays where it is as long as the encoder lives.
    fn shim_plane(encoder: *mut Shim, plane: c_int, stride: *mut c_int) -> *mut u8;
    /// Codes the picture, or, when `flush` is not 0, nothing more. The size of what is finished, which
    /// lies at `coded` until the next call; negative on failure.
    fn shim_encode(encoder: *mut Shim, flush: c_int, coded: *mut *const u8) -> c_int;
    /// How many pictures are not finished.
    fn shim_delayed(encoder: *mut Shim) -> c_int;
    fn shim_close(encoder: *mut Shim);
}

/// Why nothing was encoded. x264 has said more on stderr.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    Preset(String),
    Name(String),
    Value(String, String),
    Settings,
    Picture(usize),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Preset(preset) => write!(formatter, "x264 has no preset {preset:?}"),
            Self::Name(name) => write!(formatter, "x264 has no parameter {name:?}"),
            Self::Value(name, value) => write!(formatter, "x264 takes no {name} of {value:?}"),
            Self::Settings => write!(formatter, "x264 does not take these settings"),
            Self::Picture(number) => write!(formatter, "x264 could not code picture {number}"),
        }
    }
}

impl std::error::Error for Refused {}

/// The version of x264.
pub(crate) fn version() -> String {
    // SAFETY: a text that ends with a zero byte and is never freed.
    let version = unsafe { std::ffi::CStr::from_ptr(shim_version()) };
    version.to_string_lossy().into_owned()
}

/// The longest side of a picture that x264 takes, in pixels.
const MOST_SIDE: c_int = 16_384;

/// An encoder and the picture that it is given, in yuv420p.
pub(crate) struct Encoder {
    shim: NonNull<Shim>,
    size: (usize, usize),
    /// What x264 reads of each macroblock.
    _macroblocks: Vec<u8>,
    given: usize,
}

impl Encoder {
    /// An encoder for pictures of this size, both sides even, that change in `painted` alone, with one
    /// of x264's presets and `parameters` as x264's own program names them. Its picture holds anything.
    ///
    /// # Errors
    /// All but [`Refused::Picture`].
    pub(crate) fn open(
        (width, height): (usize, usize),
        painted: Rectangle,
        preset: &str,
        parameters: &[(String, String)],
    ) -> Result<Self, Refused> {
        let within = |side: &c_int| *side <= MOST_SIDE;
        let sides = [width, height].map(|side| c_int::try_from(side).ok().filter(within));
        let [Some(columns), Some(rows)] = sides else { return Err(Refused::Settings) };
        let text = |text: &str| CString::new(text).map_err(|_| Refused::Settings);
        let name = text(preset)?;
        let texts = parameters.iter().map(|(name, value)| Ok((text(name)?, text(value)?)));
        let texts = texts.collect::<Result<Vec<_>, Refused>>()?;
        let mut macroblocks = macroblocks((width, height), painted);
        // SAFETY: as said above; the macroblocks live as long as the encoder, and their vector is never
        // touched again.
        unsafe {
            let settings = shim_settings(name.as_ptr(), columns, rows);
            if settings.is_null() {
                return Err(Refused::Preset(preset.to_owned()));
            }
            let mut refused = None;
            for ((name, value), texts) in parameters.iter().zip(&texts) {
                refused =
                    refused.or(match shim_set(settings, texts.0.as_ptr(), texts.1.as_ptr()) {
                        0 => None,
                        -1 => Some(Refused::Name(name.clone())),
                        _ => Some(Refused::Value(name.clone(), value.clone())),
                    });
            }
            let shim = NonNull::new(shim_open(settings, macroblocks.as_mut_ptr()));
            let size = (width, height);
            let encoder = shim.map(|shim| Self { shim, size, _macroblocks: macroblocks, given: 0 });
            refused.map_or(encoder.ok_or(Refused::Settings), Err)
        }
    }

    /// A plane of the picture, 0 to 2: its rows, one behind the other, and how many bytes they lie
    /// apart.
    pub(crate) fn plane(&mut self, plane: usize) -> (&mut [u8], usize) {
        assert!(plane < 3, "yuv420p has no plane {plane}");
        let reduction = if plane == 0 { 1 } else { 2 };
        let (width, height) = (self.size.0 / reduction, self.size.1 / reduction);
        let mut stride = 0;
        // SAFETY: x264 has allocated `height` rows of at least `width` bytes, `stride` bytes apart; they
        // are borrowed as the encoder is.
        unsafe {
            let first = shim_plane(self.shim.as_ptr(), plane as c_int, &raw mut stride);
            let stride = stride as usize;
            let bytes = (height - 1) * stride + width;
            (slice::from_raw_parts_mut(first, bytes), stride)
        }
    }

    /// Codes the picture as it is now; gives what is finished, which may be nothing yet.
    ///
    /// # Errors
    /// [`Refused::Picture`].
    pub(crate) fn encode(&mut self) -> Result<&[u8], Refused> {
        self.given += 1;
        self.coded(false)
    }

    /// Gives what is still to come, picture by picture; `None` when all has come.
    ///
    /// # Errors
    /// [`Refused::Picture`].
    pub(crate) fn flush(&mut self) -> Result<Option<&[u8]>, Refused> {
        // SAFETY: as said above.
        let delayed = unsafe { shim_delayed(self.shim.as_ptr()) };
        if delayed > 0 { self.coded(true).map(Some) } else { Ok(None) }
    }

    fn coded(&mut self, flush: bool) -> Result<&[u8], Refused> {
        let mut coded = std::ptr::null();
        // SAFETY: as said above. What is finished is borrowed as the encoder is, so that there is no other
        // call before it is let go.
        unsafe {
            match shim_encode(self.shim.as_ptr(), c_int::from(flush), &raw mut coded) {
                ..0 => Err(Refused::Picture(self.given)),
                0 => Ok(&[]),
                size => Ok(slice::from_raw_parts(coded, size as usize)),
            }
        }
    }
}

/// Of each macroblock of a picture of this size, whether it never changes.
fn macroblocks((width, height): (usize, usize), painted: Rectangle) -> Vec<u8> {
    let across = painted.left / 16..(painted.left + painted.width).div_ceil(16);
    let down = painted.top / 16..(painted.top + painted.height).div_ceil(16);
    let mut found = Vec::new();
    for row in 0..height.div_ceil(16) {
        let of_row = (0..width.div_ceil(16)).map(|column| {
            let changes = down.contains(&row) && across.contains(&column);
            if changes { 0 } else { shim_constant() }
        });
        found.extend(of_row);
    }
    found
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: as said above; nothing borrows the encoder any more.
        unsafe { shim_close(self.shim.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_macroblocks_that_painted_pixels_lie_in_may_change() {
        let painted = Rectangle { width: 4, height: 20, left: 30, top: 16 };
        let constant = shim_constant();
        let wanted = [[constant; 4], [constant, 0, 0, constant], [constant, 0, 0, constant]];
        assert_eq!(macroblocks((64, 40), painted), wanted.concat());
    }

    /// The size of a second picture that is noise where the first is grey.
    fn second_picture(painted: Rectangle) -> usize {
        let parameters = [("qp", "16"), ("bframes", "0"), ("threads", "1")];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut encoder = Encoder::open((64, 48), painted, "superfast", &parameters).unwrap();
        for plane in 0..3 {
            encoder.plane(plane).0.fill(128);
        }
        let first = encoder.encode().unwrap().len();
        assert!(first > 0, "this encoder does not look ahead");
        let (luma, _) = encoder.plane(0);
        let noise = (0_u32..).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8);
        luma.iter_mut().zip(noise).for_each(|(value, noise)| *value = noise);
        encoder.encode().unwrap().len()
    }

    #[test]
    fn x264_looks_at_what_may_change_alone() {
        let all = second_picture(Rectangle { width: 64, height: 48, left: 0, top: 0 });
        let one = second_picture(Rectangle { width: 16, height: 16, left: 16, top: 16 });
        assert!(all > 2000 && one * 6 < all, "{all} and {one} bytes");
    }
}
