//! The program around x264: where it is, and what every call of it has in common.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use duolip_pipeline::face::FaceBox;
use duolip_pipeline::units::FrameRate;

/// The keyframe interval, in seconds. A player seeks to any frame, and decodes from the keyframe
/// before it; of a still picture that is cheap, and a keyframe is most of what its file holds.
const KEYFRAME_SECONDS: f64 = 10.0;

/// The preset for a mouth that moves on a still picture, beside x264's own.
const STILL: &str = "still";

/// What it stands for. Nothing but the mouth moves, and that in its place: so there are no
/// fractions of a pixel to search, no fades to weigh and no flat regions to favour. The quantiser
/// stays what it is, the rate factor: where it follows the mouth, the still picture is coded again and
/// again, and shimmers; and x264 need not look at a picture twice to choose one. Colours are kept
/// finer than brightness: a block of skin that is a step off stays so, and shows where the painted
/// pixels end.
const STILL_PRESET: &str = "superfast";
const STILL_PARAMETERS: [&str; 4] = ["subme=0", "weightp=0", "aq-mode=0", "chroma-qp-offset=-6"];

/// BT.709, limited range: what the pipeline's frames hold.
const COLOURS: [&str; 4] =
    ["fullrange=off", "colorprim=bt709", "transfer=bt709", "colormatrix=bt709"];

/// How x264 trades time against size and quality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X264Settings {
    /// x264's preset, from `ultrafast` to `placebo`, or `still`: quicker than `superfast`, for a
    /// mouth that moves on a still picture.
    pub preset: String,
    /// Constant rate factor, 0..=51; lower is better and larger. With `still` the quantiser itself.
    pub crf: u8,
}

impl Default for X264Settings {
    /// `still` at 16: no visible loss on a face. bench/NOTES.md has the numbers.
    fn default() -> Self {
        Self { preset: STILL.to_owned(), crf: 16 }
    }
}

impl X264Settings {
    /// Whether they are for a mouth that moves on a still picture.
    pub(crate) fn are_for_a_still(&self) -> bool {
        self.preset == STILL
    }

    /// x264's own preset, and parameters beside it.
    fn preset_and_parameters(&self) -> (&str, &[&str]) {
        match self.preset.as_str() {
            STILL => (STILL_PRESET, &STILL_PARAMETERS),
            preset => (preset, &[]),
        }
    }
}

/// The duolip-x264 program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X264 {
    program: PathBuf,
}

impl Default for X264 {
    /// `duolip-x264` beside the program that runs, or in the folder above, as cargo puts it beside
    /// tests; else found on the search path.
    fn default() -> Self {
        let running = std::env::current_exe().unwrap_or_default();
        let folders = running.ancestors().skip(1).take(2);
        let beside = folders.map(|folder| folder.join(NAME)).find(|program| program.is_file());
        Self::at(beside.unwrap_or_else(|| NAME.into()))
    }
}

/// What it is called.
pub(crate) const NAME: &str = "duolip-x264";

impl X264 {
    /// The program `program`: a name on the search path, or an absolute path.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    /// A command with neither input nor output yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Codes pictures of this size, which change in `painted` alone: reads one from stdin and then
    /// for each frame what is painted over it; writes H.264 to stdout.
    pub(crate) fn encode(
        &self,
        (width, height): (usize, usize),
        painted: FaceBox,
        settings: &X264Settings,
        frame_rate: FrameRate,
        threads: usize,
        more: &[String],
    ) -> Command {
        let (columns, rows) = (painted.width(), painted.height());
        let (preset, parameters) = settings.preset_and_parameters();
        let keyframe_interval = (KEYFRAME_SECONDS * frame_rate.per_second()).round() as u32;
        let mut command = self.command();
        command
            .arg(format!("{width}x{height}"))
            .arg(format!("{columns}x{rows}+{}+{}", painted.left, painted.top))
            .arg(preset)
            .args(parameters)
            .args(more)
            .arg(format!(
                "{}={}",
                if settings.are_for_a_still() { "qp" } else { "crf" },
                settings.crf
            ))
            .arg(format!("threads={threads}"))
            .arg(format!("fps={}/{}", frame_rate.numerator(), frame_rate.denominator()))
            // No frame refers to one that is not shown before it, so segments can be joined.
            .args(["bframes=0", "open-gop=0", "scenecut=0"])
            .arg(format!("keyint={keyframe_interval}"))
            .args(COLOURS)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }
}
