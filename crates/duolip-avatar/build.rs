//! Lays the face detector's model where the crate can embed it.
//!
//! The model is part of the `rustface` package and not of this repository. Cargo tells a build
//! script nothing of where other packages lie, so the package is looked for in cargo's own cache,
//! and, when the sources come from elsewhere (vendored, a path), through `cargo metadata`. The
//! cache comes first because `cargo metadata` wants every package of the workspace downloaded,
//! and a build needs only its own.

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "rustface";
const MODEL: &str = "model/seeta_fd_frontal_v1.0.bin";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let lock = lock_file(&path_of("CARGO_MANIFEST_DIR")?)?;
    println!("cargo::rerun-if-changed={}", lock.display());
    let version = locked_version(&fs::read_to_string(&lock)?)
        .ok_or_else(|| format!("{} names no {PACKAGE}", lock.display()))?;
    let package = match in_cargo_home(&version)? {
        Some(package) => package,
        None => by_metadata(&lock.with_file_name("Cargo.toml"), &version)?,
    };
    let model = package.join(MODEL);
    println!("cargo::rerun-if-changed={}", model.display());
    let embedded = path_of("OUT_DIR")?.join("face_detector.bin");
    fs::write(
        embedded,
        fs::read(&model).map_err(|error| format!("{}: {error}", model.display()))?,
    )?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "cargo speaks to a build script through variables")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn path_of(name: &str) -> Result<PathBuf, String> {
    variable(name).map(PathBuf::from).ok_or_else(|| format!("{name} is not set"))
}

/// The Cargo.lock that this build follows.
fn lock_file(crate_folder: &Path) -> Result<PathBuf, String> {
    crate_folder
        .ancestors()
        .map(|folder| folder.join("Cargo.lock"))
        .find(|file| file.is_file())
        .ok_or_else(|| format!("no Cargo.lock above {}", crate_folder.display()))
}

fn locked_version(lock: &str) -> Option<String> {
    let mut lines = lock.lines();
    lines.find(|line| *line == format!("name = \"{PACKAGE}\""))?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

/// The package among those that cargo has downloaded and unpacked.
fn in_cargo_home(version: &str) -> Result<Option<PathBuf>, Box<dyn Error>> {
    let home = variable("CARGO_HOME").map(PathBuf::from);
    let Some(home) = home.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cargo"))) else {
        return Ok(None);
    };
    let Ok(registries) = fs::read_dir(home.join("registry/src")) else {
        return Ok(None);
    };
    for registry in registries {
        let package = registry?.path().join(format!("{PACKAGE}-{version}"));
        if package.join(MODEL).is_file() {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

/// The package as cargo itself finds it.
fn by_metadata(manifest: &Path, version: &str) -> Result<PathBuf, Box<dyn Error>> {
    let answer = Command::new(path_of("CARGO")?)
        .args(["metadata", "--offline", "--locked", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()?;
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&answer.stdout)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    packages
        .iter()
        .find(|package| package["name"] == PACKAGE && package["version"] == version)
        .and_then(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_owned)
        .ok_or_else(|| format!("cargo metadata does not list {PACKAGE} {version}").into())
}
