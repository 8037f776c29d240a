//! An avatar small enough that hundreds of frames cost nothing.

use duolip_pipeline::compose::Paste;
use duolip_pipeline::face::{Avatar, FaceBox};
use duolip_pipeline::picture::Picture;
use duolip_pipeline::units::FrameRate;

const WIDTH: usize = 48;
const HEIGHT: usize = 56;

/// A gradient of 48x56 px with a face of 40x44 px, for networks that take `input_sizes`.
///
/// # Panics
/// Never: the face lies inside the picture.
#[must_use]
pub fn avatar(frame_rate: FrameRate, input_sizes: &[usize]) -> Avatar {
    let rgb = (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).map(move |x| [x * 5, y * 4, (x + y) * 2]))
        .flatten()
        .map(|value| value as u8);
    let photo = Picture { width: WIDTH, height: HEIGHT, rgb: rgb.collect() };
    let face_box = FaceBox { left: 4, top: 6, right: 44, bottom: 50 };
    Avatar::prepare("gradient", &photo, face_box, frame_rate, Paste::Feathered, input_sizes)
        .unwrap()
}
