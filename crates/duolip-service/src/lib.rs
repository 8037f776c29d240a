//! What every trigger shares: configuration, the engine, the HTTP router and its contract.
//!
//! [`Engine::build`](engine::Engine::build) is the only place that names concrete adapters. The
//! functions under `functions/` and the command line are thin shells over this crate.

pub mod answer;
pub mod api;
pub mod batch;
pub mod config;
pub mod engine;
pub mod errors;
pub mod health;
pub mod import;
pub mod logging;
pub mod models;
pub mod router;
pub mod runtime;
pub mod serve;
pub mod service;
pub mod store;
pub mod threads;
