//! Compiles what knows x264's structures, and finds libx264.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/shim.c");
    let library =
        pkg_config::Config::new().cargo_metadata(false).probe("x264").map_err(|error| {
            format!(
                "libx264 and its header are wanted (Debian: libx264-dev; `make setup`): {error}"
            )
        })?;
    cc::Build::new().file("src/shim.c").includes(&library.include_paths).compile("shim");
    // Linked into the program where that can be, so that it starts in a millisecond and runs where no
    // libx264 is installed. pkg-config's crate would never link a library of the system so.
    let folder = pkg_config::get_variable("x264", "libdir")?;
    let is_static = Path::new(&folder).join("libx264.a").exists();
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib={}=x264", if is_static { "static" } else { "dylib" });
    Ok(())
}
