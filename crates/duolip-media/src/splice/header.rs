//! Slice headers (ITU-T H.264, 7.3.3), of I and P slices as x264 writes them.

use crate::h264::H264Error;
use crate::h264::bits::{BitReader, BitWriter};
use crate::h264::nal::{NalUnit, kind};
use crate::h264::parameters::{PictureOrder, PictureParameters, Sequence};

/// `disable_deblocking_filter_idc`: which edges of a slice's macroblocks are filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deblocking {
    /// 0: all.
    All,
    /// 1: none.
    Off,
    /// 2: those between macroblocks of the slice.
    Inside,
}

/// The header of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SliceHeader {
    /// `first_mb_in_slice`: counted along the rows of the picture.
    pub(super) first_macroblock: u32,
    slice_type: u32,
    frame_number: u32,
    /// Of an IDR picture.
    pub(super) idr_id: Option<u32>,
    order_count: u32,
    /// `num_ref_idx_l0_active_minus1`, where it is not the picture parameter set's.
    references: Option<u32>,
    /// `cabac_init_idc`, of P slices.
    pub(super) cabac_table: Option<u32>,
    qp_difference: i32,
    pub(super) deblocking: Deblocking,
    deblocking_offsets: [i32; 2],
}

/// A slice: its header, and its data in whole bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slice {
    /// The NAL unit's.
    pub(super) unit_header: u8,
    pub(super) header: SliceHeader,
    pub(super) data: Vec<u8>,
}

impl Slice {
    /// # Errors
    /// [`H264Error`] when it is cut off or has what only other settings bring.
    pub(super) fn parse(
        unit: &NalUnit,
        sequence: &Sequence,
        picture: PictureParameters,
    ) -> Result<Self, H264Error> {
        let mut reader = BitReader::new(&unit.rbsp);
        let header = SliceHeader::parse(&mut reader, unit, sequence)?;
        let qp = header.qp(picture);
        if !(0..=51).contains(&qp) {
            return Err(H264Error::Unsupported { what: "a quantiser of", found: qp as u32 });
        }
        Ok(Self { unit_header: unit.header, header, data: reader.whole_bytes().to_vec() })
    }
}

impl SliceHeader {
    fn parse(
        reader: &mut BitReader<'_>,
        unit: &NalUnit,
        sequence: &Sequence,
    ) -> Result<Self, H264Error> {
        let unsupported = |what, found| Err(H264Error::Unsupported { what, found });
        let first_macroblock = reader.unsigned()?;
        let slice_type = reader.unsigned()?;
        let predicted = match slice_type % 5 {
            0 => true,
            2 => false,
            _ => return unsupported("slice_type", slice_type),
        };
        match reader.unsigned()? {
            0 => {}
            found => return unsupported("pic_parameter_set_id", found),
        }
        let frame_number = reader.bits(sequence.frame_number_bits)?;
        let idr_id = match unit.kind() {
            kind::IDR_SLICE => Some(reader.unsigned()?),
            _ => None,
        };
        let order_count = match sequence.order {
            PictureOrder::Counted(bits) => reader.bits(bits)?,
            PictureOrder::AsDecoded => 0,
        };
        let mut references = None;
        if predicted {
            if reader.flag()? {
                references = Some(reader.unsigned()?);
            }
            if reader.flag()? {
                return unsupported("ref_pic_list_modification_flag_l0", 1);
            }
        }
        let marked = match idr_id {
            _ if unit.header >> 5 == 0 => 0,
            Some(_) => reader.bits(2)?,
            None => reader.bits(1)?,
        };
        if marked != 0 {
            return unsupported("marking of reference pictures", marked);
        }
        let cabac_table = if predicted { Some(reader.unsigned()?) } else { None };
        if let Some(found @ 3..) = cabac_table {
            return unsupported("cabac_init_idc", found);
        }
        let qp_difference = reader.signed()?;
        let deblocking = match reader.unsigned()? {
            0 => Deblocking::All,
            1 => Deblocking::Off,
            2 => Deblocking::Inside,
            found => return unsupported("disable_deblocking_filter_idc", found),
        };
        let mut deblocking_offsets = [0; 2];
        if deblocking != Deblocking::Off {
            deblocking_offsets = [reader.signed()?, reader.signed()?];
        }
        Ok(Self {
            first_macroblock,
            slice_type,
            frame_number,
            idr_id,
            order_count,
            references,
            cabac_table,
            qp_difference,
            deblocking,
            deblocking_offsets,
        })
    }

    /// 0 and 5: predicted from other pictures; 2 and 7: not.
    pub(super) fn slice_type(&self) -> u32 {
        self.slice_type
    }

    /// The luma quantiser that the slice begins with.
    pub(super) fn qp(&self, picture: PictureParameters) -> i32 {
        picture.initial_qp + self.qp_difference
    }

    /// The header of a slice in a NAL unit with `unit_header`, and `cabac_alignment_one_bit`s up to
    /// a whole byte: slice data follow.
    pub(super) fn bytes(&self, unit_header: u8, sequence: &Sequence) -> Vec<u8> {
        let mut writer = BitWriter::default();
        writer.unsigned(self.first_macroblock);
        writer.unsigned(self.slice_type);
        writer.unsigned(0); // pic_parameter_set_id
        writer.bits(self.frame_number, sequence.frame_number_bits);
        if let Some(id) = self.idr_id {
            writer.unsigned(id);
        }
        if let PictureOrder::Counted(bits) = sequence.order {
            writer.bits(self.order_count, bits);
        }
        if self.cabac_table.is_some() {
            writer.flag(self.references.is_some());
            if let Some(references) = self.references {
                writer.unsigned(references);
            }
            writer.flag(false); // ref_pic_list_modification_flag_l0
        }
        if unit_header >> 5 != 0 {
            writer.bits(0, if self.idr_id.is_some() { 2 } else { 1 }); // dec_ref_pic_marking
        }
        if let Some(table) = self.cabac_table {
            writer.unsigned(table);
        }
        writer.signed(self.qp_difference);
        match self.deblocking {
            Deblocking::All => writer.unsigned(0),
            Deblocking::Off => writer.unsigned(1),
            Deblocking::Inside => writer.unsigned(2),
        }
        if self.deblocking != Deblocking::Off {
            for offset in self.deblocking_offsets {
                writer.signed(offset);
            }
        }
        writer.into_bytes(true)
    }
}
