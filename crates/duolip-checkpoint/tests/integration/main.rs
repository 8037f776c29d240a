//! Checkpoint files of every form, read; files of every other kind, refused.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

#[path = "../support/mod.rs"]
mod support;

mod forms;
mod hostile;
mod layouts;
mod refusals;
