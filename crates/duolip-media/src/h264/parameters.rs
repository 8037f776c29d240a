//! Sequence and picture parameter sets: as much as slice headers and an MP4's index depend on.

use super::bits::BitReader;
use super::{H264Error, MACROBLOCK};

/// The profiles whose sequence parameter sets tell of chroma and bit depth.
pub(crate) const HIGH_PROFILES: [u32; 4] = [100, 110, 122, 244];

/// `pic_order_cnt_type`, and how many bits a slice header has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureOrder {
    /// 0: so many bits of `pic_order_cnt_lsb`.
    Counted(u32),
    /// 2: the order of decoding.
    AsDecoded,
}

/// What slice headers depend on of a sequence parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) frame_number_bits: u32,
    pub(crate) order: PictureOrder,
    /// In macroblocks.
    pub(crate) width: u32,
}

/// An error when `found` is not what x264 writes for our settings.
fn expect(what: &'static str, found: u32, wanted: u32) -> Result<(), H264Error> {
    if found == wanted { Ok(()) } else { Err(H264Error::Unsupported { what, found }) }
}

impl Sequence {
    /// # Errors
    /// [`H264Error::Unsupported`] for anything but progressive 4:2:0 of eight bits, with losses.
    pub(crate) fn parse(rbsp: &[u8]) -> Result<Self, H264Error> {
        let (sequence, _, is_lossless) = Self::read(rbsp)?;
        expect("qpprime_y_zero_transform_bypass_flag", u32::from(is_lossless), 0)?;
        Ok(sequence)
    }

    /// Width and height of the pictures, as they are shown.
    ///
    /// # Errors
    /// [`H264Error::Unsupported`] for anything but progressive 4:2:0 of eight bits.
    pub(crate) fn picture_size(rbsp: &[u8]) -> Result<[u16; 2], H264Error> {
        Self::read(rbsp).map(|(_, size, _)| size)
    }

    /// The sequence parameter set, the size of its pictures, and whether they may be lossless.
    fn read(rbsp: &[u8]) -> Result<(Self, [u16; 2], bool), H264Error> {
        let mut is_lossless = false;
        let mut reader = BitReader::new(rbsp);
        let profile = reader.bits(8)?;
        reader.bits(16)?; // constraints and level
        expect("seq_parameter_set_id", reader.unsigned()?, 0)?;
        if HIGH_PROFILES.contains(&profile) {
            expect("chroma_format_idc", reader.unsigned()?, 1)?;
            expect("bit_depth_luma_minus8", reader.unsigned()?, 0)?;
            expect("bit_depth_chroma_minus8", reader.unsigned()?, 0)?;
            is_lossless = reader.flag()?;
            expect("seq_scaling_matrix_present_flag", reader.bits(1)?, 0)?;
        }
        let frame_number_bits = reader.unsigned()? + 4;
        let order = match reader.unsigned()? {
            0 => PictureOrder::Counted(reader.unsigned()? + 4),
            2 => PictureOrder::AsDecoded,
            found => return Err(H264Error::Unsupported { what: "pic_order_cnt_type", found }),
        };
        reader.unsigned()?; // max_num_ref_frames
        reader.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width = reader.unsigned()? + 1;
        let height = reader.unsigned()? + 1;
        expect("frame_mbs_only_flag", reader.bits(1)?, 1)?;
        reader.flag()?; // direct_8x8_inference_flag
        let mut cropped = [0; 4]; // left, right, top, bottom, in pairs of pixels
        if reader.flag()? {
            for side in &mut cropped {
                *side = reader.unsigned()?;
            }
        }
        let [left, right, top, bottom] = cropped.map(u64::from);
        let shown = |what, blocks: u32, cropped: u64| {
            let pixels = (u64::from(blocks) * MACROBLOCK as u64).checked_sub(2 * cropped);
            let pixels = pixels.and_then(|pixels| u16::try_from(pixels).ok());
            pixels.ok_or(H264Error::Unsupported { what, found: blocks })
        };
        let size = [
            shown("pic_width_in_mbs_minus1", width, left + right)?,
            shown("pic_height_in_map_units_minus1", height, top + bottom)?,
        ];
        Ok((Self { frame_number_bits, order, width }, size, is_lossless))
    }
}

/// A picture parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureParameters {
    /// The quantiser that slices tell their difference from.
    pub(crate) initial_qp: i32,
}

impl PictureParameters {
    /// # Errors
    /// [`H264Error::Unsupported`] for slice groups, CAVLC, weighted prediction and other things
    /// that slice headers would have to tell of.
    pub(crate) fn parse(rbsp: &[u8]) -> Result<Self, H264Error> {
        let mut reader = BitReader::new(rbsp);
        expect("pic_parameter_set_id", reader.unsigned()?, 0)?;
        expect("seq_parameter_set_id", reader.unsigned()?, 0)?;
        expect("entropy_coding_mode_flag", reader.bits(1)?, 1)?;
        expect("bottom_field_pic_order_in_frame_present_flag", reader.bits(1)?, 0)?;
        expect("num_slice_groups_minus1", reader.unsigned()?, 0)?;
        reader.unsigned()?; // num_ref_idx_l0_default_active_minus1
        reader.unsigned()?; // num_ref_idx_l1_default_active_minus1
        expect("weighted_pred_flag", reader.bits(1)?, 0)?;
        reader.bits(2)?; // weighted_bipred_idc: there are no B slices
        let initial_qp = 26 + reader.signed()?;
        reader.signed()?; // pic_init_qs_minus26
        reader.signed()?; // chroma_qp_index_offset
        expect("deblocking_filter_control_present_flag", reader.bits(1)?, 1)?;
        reader.flag()?; // constrained_intra_pred_flag
        expect("redundant_pic_cnt_present_flag", reader.bits(1)?, 0)?;
        Ok(Self { initial_qp })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::h264::nal::{NalUnits, kind};

    #[test]
    fn a_size_is_told_without_what_fills_up_the_last_macroblocks() {
        for [width, height] in [[64, 48], [98, 74], [1920, 1080], [2, 2], [18, 130]] {
            let source = format!("color=gray:size={width}x{height}");
            let mut command = Command::new("ffmpeg");
            command.args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &source]);
            command.args(["-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "libx264"]);
            let coded = command.args(["-f", "h264", "-"]).output().unwrap().stdout;
            let mut units = NalUnits::new(&coded[..]);
            let sequence = loop {
                let unit = units.next().unwrap().unwrap();
                if unit.kind() == kind::SEQUENCE {
                    break unit;
                }
            };
            assert_eq!(Sequence::picture_size(&sequence.rbsp).unwrap(), [width, height]);
        }
    }
}
