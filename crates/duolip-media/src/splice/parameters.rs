//! Sequence and picture parameter sets: as much as slice headers depend on.

use super::SpliceError;
use super::bits::BitReader;

/// The profiles whose sequence parameter sets tell of chroma and bit depth.
const HIGH_PROFILES: [u32; 4] = [100, 110, 122, 244];

/// `pic_order_cnt_type`, and how many bits a slice header has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureOrder {
    /// 0: so many bits of `pic_order_cnt_lsb`.
    Counted(u32),
    /// 2: the order of decoding.
    AsDecoded,
}

/// A sequence parameter set, but for the height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) frame_number_bits: u32,
    pub(super) order: PictureOrder,
    /// In macroblocks.
    pub(super) width: u32,
}

/// An error when `found` is not what x264 writes for our settings.
fn expect(what: &'static str, found: u32, wanted: u32) -> Result<(), SpliceError> {
    if found == wanted { Ok(()) } else { Err(SpliceError::Unsupported { what, found }) }
}

impl Sequence {
    /// # Errors
    /// [`SpliceError::Unsupported`] for anything but progressive 4:2:0 of eight bits.
    pub(super) fn parse(rbsp: &[u8]) -> Result<Self, SpliceError> {
        let mut reader = BitReader::new(rbsp);
        let profile = reader.bits(8)?;
        reader.bits(16)?; // constraints and level
        expect("seq_parameter_set_id", reader.unsigned()?, 0)?;
        if HIGH_PROFILES.contains(&profile) {
            expect("chroma_format_idc", reader.unsigned()?, 1)?;
            expect("bit_depth_luma_minus8", reader.unsigned()?, 0)?;
            expect("bit_depth_chroma_minus8", reader.unsigned()?, 0)?;
            expect("qpprime_y_zero_transform_bypass_flag", reader.bits(1)?, 0)?;
            expect("seq_scaling_matrix_present_flag", reader.bits(1)?, 0)?;
        }
        let frame_number_bits = reader.unsigned()? + 4;
        let order = match reader.unsigned()? {
            0 => PictureOrder::Counted(reader.unsigned()? + 4),
            2 => PictureOrder::AsDecoded,
            found => return Err(SpliceError::Unsupported { what: "pic_order_cnt_type", found }),
        };
        reader.unsigned()?; // max_num_ref_frames
        reader.flag()?; // gaps_in_frame_num_value_allowed_flag
        let width = reader.unsigned()? + 1;
        reader.unsigned()?; // height
        expect("frame_mbs_only_flag", reader.bits(1)?, 1)?;
        Ok(Self { frame_number_bits, order, width })
    }
}

/// A picture parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureParameters {
    /// The quantiser that slices tell their difference from.
    pub(super) initial_qp: i32,
}

impl PictureParameters {
    /// # Errors
    /// [`SpliceError::Unsupported`] for slice groups, CAVLC, weighted prediction and other things
    /// that slice headers would have to tell of.
    pub(super) fn parse(rbsp: &[u8]) -> Result<Self, SpliceError> {
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
