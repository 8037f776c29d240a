//! Scheduled batch renders.
fn main() {}
