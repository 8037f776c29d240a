//! The plain server: listen, serve, drain; and the signals that end a process.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

use crate::config::ServerArgs;

/// Why the server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port cannot be had.
    #[error("port {port} on {host} cannot be opened", port = address.port(), host = address.ip())]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The server failed.
    #[error("the server failed")]
    Serve(#[source] std::io::Error),
}

/// Opens the port.
///
/// # Errors
/// [`ServeError::Listen`].
pub async fn listen(args: &ServerArgs) -> Result<TcpListener, ServeError> {
    let address = SocketAddr::new(args.host, args.port);
    TcpListener::bind(address).await.map_err(|source| ServeError::Listen { address, source })
}

/// Serves until SIGTERM or Ctrl-C; running jobs then have `grace` left.
///
/// # Errors
/// [`ServeError::Serve`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    grace: Duration,
) -> Result<(), ServeError> {
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = axum::serve(listener, router).with_graceful_shutdown(async {
        asked_to_stop().await;
        tracing::info!("stopping: running jobs are finished, new ones refused");
        let _ = stopping.send(());
    });
    let out_of_patience = async {
        match stopped.await {
            Ok(()) => tokio::time::sleep(grace).await,
            // The server ended by itself.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = std::future::IntoFuture::into_future(server) => ended.map_err(ServeError::Serve),
        () = out_of_patience => {
            tracing::warn!(grace_seconds = grace.as_secs(), "jobs still running were cancelled");
            Ok(())
        }
    }
}

/// Comes back when the process gets SIGTERM or Ctrl-C.
pub async fn asked_to_stop() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
