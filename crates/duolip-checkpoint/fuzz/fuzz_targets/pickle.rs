//! Any bytes as the pickle of a TorchScript archive that holds two storages.
#![no_main]

#[path = "../entry.rs"]
mod entry;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = entry::pickle(bytes);
});
