//! Bits of an RBSP (an H.264 structure without emulation prevention): read, and written.

use super::H264Error;

/// Reads bits from the most significant on.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    /// How many bits have been read.
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// u(1).
    pub(crate) fn flag(&mut self) -> Result<bool, H264Error> {
        let byte = *self.bytes.get(self.position / 8).ok_or(H264Error::Truncated)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Ok(bit == 1)
    }

    /// u(count), at most 32 bits.
    pub(crate) fn bits(&mut self, count: u32) -> Result<u32, H264Error> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    /// ue(v): an Exp-Golomb code.
    pub(crate) fn unsigned(&mut self) -> Result<u32, H264Error> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(H264Error::Truncated);
            }
        }
        Ok((1 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v): 0, 1, -1, 2, -2, …
    pub(crate) fn signed(&mut self) -> Result<i32, H264Error> {
        let code = i64::from(self.unsigned()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 };
        i32::try_from(value).map_err(|_| H264Error::Truncated)
    }

    /// What follows, from the next whole byte on.
    pub(crate) fn whole_bytes(&self) -> &'a [u8] {
        self.bytes.get(self.position.div_ceil(8)..).unwrap_or_default()
    }
}

/// Writes bits from the most significant on.
#[derive(Debug, Clone, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// How many bits of the last byte are taken; 0 means all of them.
    taken: u32,
}

impl BitWriter {
    pub(crate) fn flag(&mut self, value: bool) {
        if self.taken == 0 {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(value) << (7 - self.taken);
        }
        self.taken = (self.taken + 1) % 8;
    }

    /// u(count).
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            self.flag(value >> bit & 1 == 1);
        }
    }

    /// ue(v).
    pub(crate) fn unsigned(&mut self, value: u32) {
        let code = u64::from(value) + 1;
        let length = 64 - code.leading_zeros();
        self.bits(0, length - 1);
        for bit in (0..length).rev() {
            self.flag(code >> bit & 1 == 1);
        }
    }

    /// se(v).
    pub(crate) fn signed(&mut self, value: i32) {
        let code = if value > 0 { 2 * i64::from(value) - 1 } else { -2 * i64::from(value) };
        self.unsigned(code as u32);
    }

    /// Fills the last byte up with `filling`, and gives all of them.
    pub(crate) fn into_bytes(mut self, filling: bool) -> Vec<u8> {
        while self.taken != 0 {
            self.flag(filling);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = BitWriter::default();
        writer.flag(true);
        writer.bits(0b1011, 4);
        let signed = [0, 1, -1, 2, -2, 77, -4000, i32::MAX];
        for value in signed {
            writer.signed(value);
        }
        let unsigned = [0, 1, 2, 3, 254, 255, 1 << 20, u32::MAX - 1];
        for value in unsigned {
            writer.unsigned(value);
        }
        let mut bytes = writer.into_bytes(true);
        bytes.extend([7, 8]);
        let mut reader = BitReader::new(&bytes);
        assert!(reader.flag().unwrap());
        assert_eq!(reader.bits(4).unwrap(), 0b1011);
        assert_eq!(signed.map(|_| reader.signed().unwrap()), signed);
        assert_eq!(unsigned.map(|_| reader.unsigned().unwrap()), unsigned);
        assert_eq!(reader.whole_bytes(), [7, 8]);
    }

    /// ITU-T H.264, table 9-2.
    #[test]
    fn codes_are_those_of_the_standard() {
        for (value, bits) in [(0, "1"), (1, "010"), (2, "011"), (3, "00100"), (7, "0001000")] {
            let mut writer = BitWriter::default();
            writer.unsigned(value);
            let written = format!("{:08b}", writer.into_bytes(false)[0]);
            assert!(written.starts_with(bits), "{value}: {written}");
        }
    }

    #[test]
    fn an_end_too_early_is_an_error() {
        assert!(BitReader::new(&[]).flag().is_err());
        assert!(BitReader::new(&[0; 8]).unsigned().is_err());
        assert!(BitReader::new(&[0, 1]).unsigned().is_err());
    }
}
