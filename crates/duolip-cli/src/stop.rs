//! SIGTERM and Ctrl-C as a token that the commands look at.

use duolip_pipeline::CancellationToken;
use duolip_service::serve::asked_to_stop;

/// A token that is cancelled by the first signal. From now on signals do nothing else.
///
/// # Errors
/// When the signals cannot be watched.
pub(crate) fn on_signal() -> std::io::Result<CancellationToken> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let token = CancellationToken::new();
    let stop = token.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(asked_to_stop());
        stop.cancel();
    })?;
    Ok(token)
}
