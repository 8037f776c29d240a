//! A progress bar for each chunk, on a terminal.

use std::sync::OnceLock;

use duolip_pipeline::chunk::Chunk;
use duolip_pipeline::observe::Observer;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// The bars; invisible when stderr is no terminal.
#[derive(Default)]
pub(crate) struct ChunkBars {
    all: MultiProgress,
    bars: OnceLock<Vec<ProgressBar>>,
}

impl Observer for ChunkBars {
    fn planned(&self, chunks: &[Chunk]) {
        let style = ProgressStyle::with_template(
            "{prefix:<14} {bar:32} {pos:>5}/{len} frames {per_sec:>12} {eta:>4}",
        )
        .unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bars.get_or_init(|| {
            let bar = |chunk: &Chunk| {
                let bar = self.all.add(ProgressBar::new(chunk.frames.len() as u64));
                bar.set_style(style.clone());
                bar.set_prefix(format!("chunk {} {}", chunk.index, chunk.look));
                bar
            };
            chunks.iter().map(bar).collect()
        });
    }

    fn composed(&self, chunk: usize, _frame: usize, _planes: &[u8]) {
        if let Some(bar) = self.bars.get().and_then(|bars| bars.get(chunk)) {
            bar.inc(1);
            if Some(bar.position()) == bar.length() {
                bar.finish();
            }
        }
    }
}
