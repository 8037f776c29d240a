//! Logs: human-readable on a terminal, JSON otherwise; always to stderr.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT_FILTER: &str = "warn,duolip_service=info,duolip_pipeline=info,duolip_onnx=info,duolip_avatar=info,duolip_http=info,duolip_runpod=info,duolip_batch=info";

/// Starts logging. `RUST_LOG` overrides `default_filter`, which overrides our own. A second call changes
/// nothing.
pub fn init(default_filter: Option<&str>) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(default_filter.unwrap_or(DEFAULT_FILTER)));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Fails only when logging has been started already.
    let _ = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}
