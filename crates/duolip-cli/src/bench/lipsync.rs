//! `duolip bench lipsync`: the whole network against the split graphs of an import, and against our
//! own code for the CPU.
//!
//! Same weights, same inputs, same threads, one after the other in turns, so that whatever else the
//! machine does falls on all of them alike.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use duolip_compiler::{Network, Precision, Widths};
use duolip_onnx::OnnxRuntime;
use duolip_onnx::chain::{Chain, Crew, Features};
use duolip_onnx::graph::{Given, Graph, Taken};
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

/// What paints, and how long its runs took.
struct Contender {
    name: &'static str,
    /// As convolutions define them.
    multiply_adds: u64,
    painter: Painter,
    /// Seconds.
    times: Vec<f64>,
}

enum Painter {
    /// ONNX Runtime, with what the graph takes beside the mel windows.
    Graph(Box<Graph>, Vec<Taken>),
    /// As a session paints on the CPU, with a face's features.
    Chain(Box<Chain>, Features),
}

impl Contender {
    fn new(name: &'static str, multiply_adds: u64, painter: Painter) -> Self {
        Self { name, multiply_adds, painter, times: Vec::new() }
    }

    fn run(&mut self, mel: Given<'_>) -> anyhow::Result<()> {
        let begin = Instant::now();
        match &mut self.painter {
            Painter::Graph(graph, others) => {
                let others = others.iter().map(Taken::given);
                graph.run(&std::iter::once(mel).chain(others).collect::<Vec<_>>())?;
            }
            Painter::Chain(chain, features) => {
                chain.paint(features, mel.values)?;
            }
        }
        self.times.push(begin.elapsed().as_secs_f64());
        Ok(())
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
    let whole = load("whole network", network.plain_graph())?;
    let whole = Painter::Graph(Box::new(whole), vec![faces]);
    let crew = Arc::new(Crew::new(threads, threads)?);
    let mut contenders = vec![Contender::new("whole network", network.multiply_adds(), whole)];
    for (name, chain_name, paste) in [
        ("lower half", "lower half chain", Paste::Parity),
        ("feathered rectangle", "feathered chain", Paste::Feathered),
    ] {
        let graphs = network.compile(paste.painted_pixels(size), Precision::F32)?;
        let work = graphs.work.mouth_generator;
        let features = load("face encoder", graphs.face_encoder)?.run(&[face.given()])?;
        let generator = graphs.mouth_generator.into_bytes();
        let chain = match Chain::from_bytes(&generator, Arc::clone(&crew)) {
            Ok(chain) => {
                let named = |name: &str| {
                    let feature = features.iter().find(|feature| feature.name == name);
                    feature.map(|feature| &feature.values[..])
                };
                let features = chain.features(named)?;
                Some(Painter::Chain(Box::new(chain), features))
            }
            // A session would have ONNX Runtime run it as well.
            Err(reason) if reason.is_for_onnx_runtime() => None,
            Err(error) => return Err(error.into()),
        };
        let graph = Graph::from_bytes(name, &generator, threads, runtime)?;
        contenders.push(Contender::new(name, work, Painter::Graph(Box::new(graph), features)));
        contenders.extend(chain.map(|chain| Contender::new(chain_name, work, chain)));
    }
    Ok(contenders)
}
