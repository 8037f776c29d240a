//! What an import found and made, for people to read.

use std::fmt;

use duolip_compiler::MultiplyAdds;
use duolip_pipeline::face::FaceBox;

/// What became of an import.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// A new folder of models.
    New(Facts),
    /// The folder held this very import already.
    AlreadyThere,
}

/// What was found out on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The container that the weights were in.
    pub form: String,
    /// Trainable numbers.
    pub parameters: usize,
    /// Width and height of faces and mouths, in pixels.
    pub input_size: usize,
    /// What is painted of a mouth.
    pub painted: FaceBox,
    /// Arithmetic for one frame.
    pub work: MultiplyAdds,
    /// Bytes of memory that one frame of an avatar takes, in single precision.
    pub feature_bytes: usize,
    /// The largest difference from the network as it was, of one value of 0 to 1.
    pub difference: f32,
    /// The same in half precision; `None` where that flavour was left out, for it differed too much.
    pub difference_f16: Option<f32>,
}

impl fmt::Display for Imported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(facts) => facts.fmt(formatter),
            Self::AlreadyThere => formatter.write_str("the folder holds this import already"),
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FaceBox { left, top, right, bottom } = self.painted;
        let giga = |count: u64| count as f64 / 1e9;
        let (plain, generator) = (giga(self.work.plain), giga(self.work.mouth_generator));
        writeln!(
            formatter,
            "read      {}: {} parameters, {} px",
            self.form, self.parameters, self.input_size
        )?;
        writeln!(formatter, "paints    rows {top} to {bottom}, columns {left} to {right}")?;
        writeln!(
            formatter,
            "work      {plain:.3} to {generator:.3} billion multiply-adds a mouth ({:.2} times less)",
            plain / generator
        )?;
        writeln!(formatter, "avatar    {} kB of memory a frame", self.feature_bytes / 1000)?;
        write!(formatter, "compared  differs by at most {:.1e} of 1", self.difference)?;
        match self.difference_f16 {
            Some(difference) => write!(formatter, "; {difference:.1e} in half precision"),
            None => formatter.write_str("; too much in half precision, which was left out"),
        }
    }
}
