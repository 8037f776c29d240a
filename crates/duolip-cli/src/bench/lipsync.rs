//! `duolip bench lipsync`: the whole network against the split graphs of an import.
//!
//! Same weights, same inputs, same threads, one after the other in turns, so that whatever else the
//! machine does falls on all of them alike.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use duolip_compiler::{Network, Precision, Widths};
use duolip_onnx::OnnxRuntime;
use duolip_onnx::graph::{Given, Graph, GraphError, Taken};
use duolip_pipeline::compose::Paste;
use duolip_pipeline::mel::{BANDS, WINDOW_STEPS};
use duolip_service::config::Config;
use duolip_service::import;

use super::{processor, spread, wave};
use crate::say;

/// Channels of the face input.
const FACE_CHANNELS: usize = 6;

/// What to measure.
#[derive(Args)]
pub(crate) struct LipsyncArgs {
    /// A checkpoint [default: random weights in the published network's layers]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// How often each graph runs
    #[arg(long, default_value = "9", value_name = "TIMES")]
    rounds: NonZeroUsize,
    #[command(flatten)]
    pub(crate) config: Config,
}

/// A graph, what goes into it, and how long its runs took.
struct Contender {
    name: &'static str,
    multiply_adds: u64,
    graph: Graph,
    /// What it takes beside the mel windows.
    others: Vec<Taken>,
    /// Seconds.
    times: Vec<f64>,
}

impl Contender {
    fn run(&mut self, mel: Given<'_>) -> Result<Vec<Taken>, GraphError> {
        let inputs: Vec<_> =
            std::iter::once(mel).chain(self.others.iter().map(Taken::given)).collect();
        let begin = Instant::now();
        let mouths = self.graph.run(&inputs)?;
        self.times.push(begin.elapsed().as_secs_f64());
        Ok(mouths)
    }
}

/// Measures and prints.
pub(crate) fn measure(args: &LipsyncArgs) -> anyhow::Result<()> {
    let config = &args.config;
    let runtime = OnnxRuntime::load(&config.onnxruntime_candidates())?;
    let threads = config
        .models
        .intra_op_threads
        .unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    let batch = config.models.batch_size.get();
    let network = match &args.file {
        Some(file) => import::network(file)?,
        None => Network::random(&Widths::default(), 1),
    };
    let size = network.input_size();
    say(format_args!(
        "{}, {threads} threads; ONNX Runtime {}; {} parameters, {size} px, batches of {batch}",
        processor(),
        runtime.version(),
        network.parameters()
    ));

    let mel_shape = [batch, 1, BANDS, WINDOW_STEPS];
    let mel = wave(mel_shape.iter().product(), 4.0, 0.0);
    let mel = Given { name: "mel", shape: &mel_shape, values: &mel };
    let mut contenders = contenders(&network, batch, threads, runtime)?;
    drop(network);
    for contender in &mut contenders {
        // The first run allocates.
        contender.run(mel)?;
        contender.times.clear();
    }
    for _ in 0..args.rounds.get() {
        for contender in &mut contenders {
            contender.run(mel)?;
        }
    }

    say(table(&contenders, batch));
    Ok(())
}

/// A table for people, then a line for scripts for each ratio: median, least, most.
fn table(contenders: &[Contender], batch: usize) -> String {
    let mut lines = vec![format!(
        "{:<20} {:>10} {:>9} {:>9}  times as fast (range)",
        "", "GMAC/mouth", "ms/batch", "mouths/s"
    )];
    let mut ratios = Vec::new();
    for Contender { name, multiply_adds, times, .. } in contenders {
        let against = contenders[0].times.iter().zip(times).map(|(whole, time)| whole / time);
        let (ratio, least, most) = spread(against.collect());
        let (seconds, ..) = spread(times.clone());
        lines.push(format!(
            "{name:<20} {:>10.3} {:>9.1} {:>9.1}  {ratio:.2} ({least:.2} to {most:.2})",
            *multiply_adds as f64 / 1e9,
            seconds * 1e3,
            batch as f64 / seconds
        ));
        let case = name.replace(' ', "_");
        ratios.push(format!("ratio mouths_per_second {case} {ratio:.3} {least:.3} {most:.3}"));
    }
    // The first is measured against itself.
    lines.extend(ratios.into_iter().skip(1));
    lines.join("\n")
}

fn contenders(
    network: &Network,
    batch: usize,
    threads: NonZeroUsize,
    runtime: &'static OnnxRuntime,
) -> anyhow::Result<Vec<Contender>> {
    let size = network.input_size();
    let face = Taken {
        name: "face".to_owned(),
        shape: vec![1, FACE_CHANNELS, size, size],
        values: wave(FACE_CHANNELS * size * size, 0.5, 0.5),
    };
    let faces = Taken {
        shape: vec![batch, FACE_CHANNELS, size, size],
        values: face.values.repeat(batch),
        ..face.clone()
    };
    let load = |name, graph: duolip_compiler::OnnxGraph| {
        Graph::from_bytes(name, &graph.into_bytes(), threads, runtime)
    };
    let mut contenders = vec![Contender {
        name: "whole network",
        multiply_adds: network.multiply_adds(),
        graph: load("whole network", network.plain_graph())?,
        others: vec![faces],
        times: Vec::new(),
    }];
    for (name, paste) in [("lower half", Paste::Parity), ("feathered rectangle", Paste::Feathered)]
    {
        let graphs = network.compile(paste.painted_pixels(size), Precision::F32)?;
        contenders.push(Contender {
            name,
            multiply_adds: graphs.work.mouth_generator,
            others: load("face encoder", graphs.face_encoder)?.run(&[face.given()])?,
            graph: load(name, graphs.mouth_generator)?,
            times: Vec::new(),
        });
    }
    Ok(contenders)
}
