//! Where ONNX Runtime's library may lie, and what its files are called.
//!
//! Looks at folders and names; loads nothing.

use std::path::{Path, PathBuf};

use super::AttemptError;

/// Where ONNX Runtime is looked for, in order: `explicit`, beside the executable, `../lib` from
/// there, `/opt/lib` (Lambda layers), `/usr/local/lib`, and `<cache>/onnxruntime`, where the set-up
/// script puts it.
#[must_use]
pub fn default_candidates(explicit: Option<&Path>, cache: Option<&Path>) -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = explicit.map(Path::to_path_buf).into_iter().collect();
    if let Some(folder) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        candidates.push(folder.to_path_buf());
        candidates.extend(folder.parent().map(|above| above.join("lib")));
    }
    candidates.extend(["/opt/lib", "/usr/local/lib"].map(PathBuf::from));
    candidates.extend(cache.map(|cache| cache.join("onnxruntime")));
    candidates
}

/// The files that `candidate` stands for, in the order in which to try them.
pub(super) fn files_of(candidate: &Path) -> Result<Vec<PathBuf>, AttemptError> {
    let bare_name = candidate.parent() == Some(Path::new(""));
    if bare_name && !candidate.exists() {
        return Ok(vec![candidate.to_path_buf()]);
    }
    // `ort` takes a relative path to be relative to the executable.
    let candidate = std::path::absolute(candidate).map_err(AttemptError::Unreadable)?;
    if !candidate.metadata().map_err(AttemptError::Unreadable)?.is_dir() {
        return Ok(vec![candidate]);
    }
    let entries = candidate.read_dir().map_err(AttemptError::Unreadable)?;
    let names = in_order(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()));
    if names.is_empty() {
        return Err(AttemptError::NoneInFolder);
    }
    Ok(names.into_iter().map(|name| candidate.join(name)).collect())
}

/// Out of `names`, those of the library itself (not of its execution providers): the unversioned
/// name first, then the newest version first.
fn in_order(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut found: Vec<(Vec<u32>, String)> =
        names.into_iter().filter_map(|name| Some((version_in_name(&name)?, name))).collect();
    found.sort_by(|(left, _), (right, _)| {
        right.is_empty().cmp(&left.is_empty()).then_with(|| right.cmp(left))
    });
    found.into_iter().map(|(_, name)| name).collect()
}

/// The version in a library's file name, empty where there is none; `None` for the name of
/// something else. Linux writes `libonnxruntime.so.1.32.0`, macOS `libonnxruntime.1.32.0.dylib`.
pub(super) fn version_in_name(name: &str) -> Option<Vec<u32>> {
    let rest = name.strip_prefix("libonnxruntime")?;
    let version = rest.strip_prefix(".so").or_else(|| rest.strip_suffix(".dylib"))?;
    if version.is_empty() {
        return Some(Vec::new());
    }
    let numbers = version.strip_prefix('.')?.split('.').map(|number| number.parse().ok());
    numbers.collect::<Option<Vec<u32>>>().filter(|numbers| numbers[0] == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(names: &[&str]) -> Vec<String> {
        in_order(names.iter().map(|&name| name.to_owned()))
    }

    #[test]
    fn the_plain_name_comes_first_and_then_the_newest_version() {
        assert_eq!(
            ordered(&[
                "libonnxruntime.so.1",
                "libonnxruntime.so.1.9.0",
                "libonnxruntime.so.1.32.0",
                "libonnxruntime.so",
                "libonnxruntime.so.1.31.10",
            ]),
            [
                "libonnxruntime.so",
                "libonnxruntime.so.1.32.0",
                "libonnxruntime.so.1.31.10",
                "libonnxruntime.so.1.9.0",
                "libonnxruntime.so.1",
            ]
        );
        assert_eq!(
            ordered(&["libonnxruntime.1.32.0.dylib", "libonnxruntime.dylib"]),
            ["libonnxruntime.dylib", "libonnxruntime.1.32.0.dylib"]
        );
    }

    #[test]
    fn execution_providers_and_other_files_are_no_candidates() {
        let others = [
            "libonnxruntime_providers_cuda.so",
            "libonnxruntime_providers_shared.so",
            "libonnxruntime.so.2.0.0",
            "libonnxruntime.so.1.32.0.sha256",
            "libonnxruntime.sources",
            "libonnxruntime.",
            "onnxruntime.dll",
            "README",
        ];
        assert_eq!(ordered(&others), Vec::<String>::new());
    }

    #[test]
    fn the_path_given_comes_first_and_the_cache_last() {
        let candidates =
            default_candidates(Some(Path::new("/mine/lib.so")), Some(Path::new("/cache")));
        assert_eq!(candidates.first(), Some(&PathBuf::from("/mine/lib.so")));
        assert_eq!(candidates.last(), Some(&PathBuf::from("/cache/onnxruntime")));
        let executable = std::env::current_exe().unwrap();
        assert_eq!(candidates[1], executable.parent().unwrap());
        assert!(candidates.contains(&PathBuf::from("/opt/lib")));
        assert!(candidates.contains(&PathBuf::from("/usr/local/lib")));
    }
}
