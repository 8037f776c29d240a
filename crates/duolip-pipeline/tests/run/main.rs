//! Whole jobs on the fakes of duolip-testkit: what `run` promises, whatever lies behind the stages.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

mod failures;
mod frames;
mod leavings;
mod memory;
mod neighbours;
mod reports;
mod scene;
