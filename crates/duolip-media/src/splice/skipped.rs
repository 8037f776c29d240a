//! The data of a P slice in which nothing changes: every macroblock is skipped.
//!
//! Skipped macroblocks take their pixels from the same place of the picture before, as long as
//! their neighbours do so too, and none of these has others. CABAC (ITU-T H.264, 9.3) codes two
//! decisions for each: that it is skipped, and whether it is the last.

use crate::h264::bits::BitWriter;

/// m and n of table 9-13 for `mb_skip_flag` where no neighbour is coded (`ctxIdx` 11), for
/// `cabac_init_idc` 0, 1 and 2.
const SKIP_CONTEXT: [(i32, i32); 3] = [(23, 33), (22, 25), (29, 16)];

/// Table 9-44, `rangeTabLPS`: the range of the less probable decision, by the state of the context
/// and two bits of the range.
#[rustfmt::skip]
const LESS_PROBABLE_RANGE: [[u32; 4]; 63] = [
    [128, 176, 208, 240], [128, 167, 197, 227], [128, 158, 187, 216], [123, 150, 178, 205],
    [116, 142, 169, 195], [111, 135, 160, 185], [105, 128, 152, 175], [100, 122, 144, 166],
    [95, 116, 137, 158], [90, 110, 130, 150], [85, 104, 123, 142], [81, 99, 117, 135],
    [77, 94, 111, 128], [73, 89, 105, 122], [69, 85, 100, 116], [66, 80, 95, 110],
    [62, 76, 90, 104], [59, 72, 86, 99], [56, 69, 81, 94], [53, 65, 77, 89],
    [51, 62, 73, 85], [48, 59, 69, 80], [46, 56, 66, 76], [43, 53, 63, 72],
    [41, 50, 59, 69], [39, 48, 56, 65], [37, 45, 54, 62], [35, 43, 51, 59],
    [33, 41, 48, 56], [32, 39, 46, 53], [30, 37, 43, 50], [29, 35, 41, 48],
    [27, 33, 39, 45], [26, 31, 37, 43], [24, 30, 35, 41], [23, 28, 33, 39],
    [22, 27, 32, 37], [21, 26, 30, 35], [20, 24, 29, 33], [19, 23, 27, 31],
    [18, 22, 26, 30], [17, 21, 25, 28], [16, 20, 23, 27], [15, 19, 22, 25],
    [14, 18, 21, 24], [14, 17, 20, 23], [13, 16, 19, 22], [12, 15, 18, 21],
    [12, 14, 17, 20], [11, 14, 16, 19], [11, 13, 15, 18], [10, 12, 15, 17],
    [10, 12, 14, 16], [9, 11, 13, 15], [9, 11, 12, 14], [8, 10, 12, 14],
    [8, 9, 11, 13], [7, 9, 11, 12], [7, 9, 10, 12], [7, 8, 10, 11],
    [6, 8, 9, 11], [6, 7, 9, 10], [6, 7, 8, 9],
];

/// Table 9-45, `transIdxLPS`: the state after a less probable decision.
#[rustfmt::skip]
const AFTER_LESS_PROBABLE: [usize; 63] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21,
    22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34,
    35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38,
];

/// What is expected of a decision.
struct Context {
    /// `pStateIdx`: the higher, the surer.
    state: usize,
    /// `valMPS`.
    probable: bool,
}

impl Context {
    fn of_skips(qp: i32, table: usize) -> Self {
        let (m, n) = SKIP_CONTEXT[table];
        let begin = (((m * qp.clamp(0, 51)) >> 4) + n).clamp(1, 126);
        let probable = begin > 63;
        Self { state: if probable { begin - 64 } else { 63 - begin } as usize, probable }
    }
}

/// The arithmetic encoder of 9.3.4.
struct Coder {
    low: u32,
    range: u32,
    /// The first bit is known, and not written.
    first: bool,
    outstanding: u32,
    bits: BitWriter,
}

impl Coder {
    fn new() -> Self {
        Self { low: 0, range: 510, first: true, outstanding: 0, bits: BitWriter::default() }
    }

    fn decision(&mut self, context: &mut Context, value: bool) {
        let less_probable = LESS_PROBABLE_RANGE[context.state][(self.range >> 6 & 3) as usize];
        self.range -= less_probable;
        if value == context.probable {
            context.state = (context.state + 1).min(62);
        } else {
            self.low += self.range;
            self.range = less_probable;
            if context.state == 0 {
                context.probable = !context.probable;
            }
            context.state = AFTER_LESS_PROBABLE[context.state];
        }
        self.renormalise();
    }

    /// `end_of_slice_flag`.
    fn last(&mut self, value: bool) {
        self.range -= 2;
        if value {
            self.low += self.range;
            self.range = 2;
        }
        self.renormalise();
    }

    fn renormalise(&mut self) {
        while self.range < 256 {
            if self.low < 256 {
                self.put(false);
            } else if self.low >= 512 {
                self.low -= 512;
                self.put(true);
            } else {
                self.low -= 256;
                self.outstanding += 1;
            }
            self.range <<= 1;
            self.low <<= 1;
        }
    }

    fn put(&mut self, bit: bool) {
        if self.first {
            self.first = false;
        } else {
            self.bits.flag(bit);
        }
        for _ in 0..std::mem::take(&mut self.outstanding) {
            self.bits.flag(!bit);
        }
    }

    /// Ends the slice: the last bit is `rbsp_stop_one_bit`.
    fn into_bytes(mut self) -> Vec<u8> {
        self.put(self.low >> 9 & 1 == 1);
        self.bits.bits(self.low >> 7 & 3 | 1, 2);
        self.bits.into_bytes(false)
    }
}

/// The data of a slice of `macroblocks`, at least 1, that are all skipped.
///
/// `qp` is the slice's quantiser, `table` its `cabac_init_idc`, 0..=2.
pub(super) fn skipped(macroblocks: usize, qp: i32, table: u32) -> Vec<u8> {
    let mut context = Context::of_skips(qp, table as usize);
    let mut coder = Coder::new();
    for left in (0..macroblocks).rev() {
        coder.decision(&mut context, true);
        coder.last(left == 0);
    }
    coder.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads decisions back as 9.3.3.2 says.
    struct Decoder<'a> {
        bits: crate::h264::bits::BitReader<'a>,
        range: u32,
        offset: u32,
    }

    impl<'a> Decoder<'a> {
        fn new(data: &'a [u8]) -> Self {
            let mut bits = crate::h264::bits::BitReader::new(data);
            let offset = bits.bits(9).unwrap();
            Self { bits, range: 510, offset }
        }

        fn renormalise(&mut self) {
            while self.range < 256 {
                self.range <<= 1;
                self.offset = self.offset << 1 | self.bits.bits(1).unwrap();
            }
        }

        fn decision(&mut self, context: &mut Context) -> bool {
            let less = LESS_PROBABLE_RANGE[context.state][(self.range >> 6 & 3) as usize];
            self.range -= less;
            let value = if self.offset >= self.range {
                self.offset -= self.range;
                self.range = less;
                let value = !context.probable;
                if context.state == 0 {
                    context.probable = value;
                }
                context.state = AFTER_LESS_PROBABLE[context.state];
                value
            } else {
                context.state = (context.state + 1).min(62);
                context.probable
            };
            self.renormalise();
            value
        }

        fn last(&mut self) -> bool {
            self.range -= 2;
            if self.offset >= self.range {
                return true;
            }
            self.renormalise();
            false
        }
    }

    #[test]
    fn a_decoder_reads_so_many_skipped_macroblocks_and_the_end() {
        for qp in [0, 10, 16, 23, 37, 51] {
            for table in 0..3 {
                for count in [1, 2, 45, 1485, 8160] {
                    let data = skipped(count, qp, table);
                    let mut context = Context::of_skips(qp, table as usize);
                    let mut decoder = Decoder::new(&data);
                    for at in 0..count {
                        assert!(decoder.decision(&mut context), "macroblock {at} of {count}");
                        assert_eq!(decoder.last(), at + 1 == count);
                    }
                    // A hundred macroblocks cost some bytes.
                    assert!(data.len() < 12 + count / 20, "{} bytes for {count}", data.len());
                }
            }
        }
    }
}
