//! Results that the platform did not take, kept on disk: rendering them cost GPU time.

use std::path::{Path, PathBuf};

/// Characters of a job's name in a file name.
const NAME_CHARS: usize = 100;

/// Keeps `result`, as it would have been posted, in `folder`, and says where.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn keep(folder: &Path, job: &str, result: &[u8]) -> std::io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join(file_name(job));
    // Written aside first: a file of that name is whole.
    let part = path.with_extension("json.part");
    std::fs::write(&part, result)?;
    std::fs::rename(&part, &path)?;
    Ok(path)
}

fn file_name(job: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let name: String = job.chars().take(NAME_CHARS).map(plain).collect();
    format!("runpod-{name}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_kept_whole_and_inside_the_folder_whatever_the_job_is_called() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("undelivered");
        for (job, name) in [
            ("sync-7-e1", "runpod-sync-7-e1.json"),
            ("../../etc/passwd", "runpod-______etc_passwd.json"),
        ] {
            let path = keep(&folder, job, b"{}").unwrap();
            assert_eq!(path, folder.join(name));
            assert_eq!(std::fs::read(&path).unwrap(), b"{}");
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    }
}
