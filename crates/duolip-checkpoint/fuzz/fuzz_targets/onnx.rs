//! Any bytes as an ONNX file that may hold a lip-sync network.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = duolip_compiler::Network::from_onnx(bytes);
});
