//! RunPod queue worker.
fn main() {}
