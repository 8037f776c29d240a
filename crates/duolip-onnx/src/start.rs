//! The start of a session on its owner thread: load, warm up, say how it went, serve.
//!
//! Decides which execution provider a session runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Instant;

use ort::ep::ExecutionProvider as _;

use crate::device::Device;
use crate::features::FeatureCounters;
use crate::library::OnnxRuntime;
use crate::model::LipSyncModel;
use crate::network::Network;
use crate::owner::{Painter as _, serve};
use crate::provider::{ExecutionProvider, ProviderInUse};
use crate::session::{SessionError, SessionFacts, SessionSettings};
use crate::waiting::Request;

/// The owner thread, from beginning to end.
pub(crate) fn own(
    model: &LipSyncModel,
    settings: &SessionSettings,
    runtime: &'static OnnxRuntime,
    counters: &Arc<FeatureCounters>,
    started: &SyncSender<Result<SessionFacts, SessionError>>,
    requests: &Receiver<Request>,
    batch_size: &AtomicUsize,
) {
    match start(model, settings, runtime, counters) {
        Ok((mut network, facts)) => {
            tracing::info!(
                look = %model.look,
                model = model.name(),
                provider = %facts.provider,
                input_size = facts.input_size,
                batch_size = facts.batch_size,
                feature_bytes = facts.feature_bytes,
                load_ms = facts.load.as_millis(),
                warm_up_ms = facts.warm_up.as_millis(),
                "lip-sync model warm"
            );
            batch_size.store(facts.batch_size, Ordering::Relaxed);
            // When nobody waits for the session any more, the queue is closed as well.
            let _ = started.send(Ok(facts));
            serve(model.look, &mut network, requests, batch_size);
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

/// Starts the network on the provider asked for.
fn start(
    model: &LipSyncModel,
    settings: &SessionSettings,
    runtime: &'static OnnxRuntime,
    counters: &Arc<FeatureCounters>,
) -> Result<(Network, SessionFacts), SessionError> {
    let on = |device, provider| start_on(model, settings, runtime, counters, device, provider);
    let on_cpu = |reason| on(Device::Cpu, ProviderInUse::Cpu { reason });
    let on_cuda = || on(Device::Cuda, ProviderInUse::Cuda);
    match settings.provider {
        ExecutionProvider::Cpu => on_cpu(None),
        ExecutionProvider::Cuda => on_cuda(),
        ExecutionProvider::Auto => match on_cuda() {
            Ok(warm) => Ok(warm),
            Err(error @ (SessionError::Model(_) | SessionError::Features { .. })) => Err(error),
            Err(error) => {
                let reason = reason(&error);
                // A library without CUDA is how a machine without a GPU is meant to be set up.
                if ort::ep::CUDA::is_available().unwrap_or(true) {
                    tracing::warn!(look = %model.look, reason, "CUDA failed; running on the CPU");
                } else {
                    tracing::info!(look = %model.look, reason, "running on the CPU");
                }
                on_cpu(Some(reason))
            }
        },
    }
}

fn start_on(
    model: &LipSyncModel,
    settings: &SessionSettings,
    runtime: &'static OnnxRuntime,
    counters: &Arc<FeatureCounters>,
    device: Device,
    provider: ProviderInUse,
) -> Result<(Network, SessionFacts), SessionError> {
    let begin = Instant::now();
    let mut network = Network::load(model, settings, device, runtime, Arc::clone(counters))?;
    let load = begin.elapsed();
    let file = || model.graphs.main(device).to_path_buf();
    network.warm_up().map_err(|source| SessionError::WarmUp { file: file(), source })?;
    let facts = SessionFacts {
        provider,
        input_size: network.input_size(),
        batch_size: network.batch_size(),
        painted: network.painted(),
        feature_bytes: network.feature_bytes(),
        load,
        warm_up: begin.elapsed().saturating_sub(load),
    };
    Ok((network, facts))
}

/// The innermost cause of `error`, as one sentence without its full stop.
fn reason(error: &SessionError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().trim().trim_end_matches('.').to_owned()
}
