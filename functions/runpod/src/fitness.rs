//! Whether this worker can work at all, found out before it takes a job: models, avatar, ffmpeg, disk.
//! Each model has painted once by then: loading it ends with that.

use duolip_service::health::{Health, Status};
use duolip_service::service::Service;

/// Why a worker cannot work.
#[derive(Debug, thiserror::Error)]
#[error("this worker cannot work ({check}): {reason}")]
pub(crate) struct Unfit {
    /// What was looked at, in one word.
    pub check: &'static str,
    /// What was found.
    pub reason: String,
}

/// Looks at a service that is warm. Blocks.
///
/// # Errors
/// [`Unfit`]. A worker that can do some jobs and not others is fit; what it lacks is logged.
pub(crate) fn examine(service: &Service, min_disk_mib: u64) -> Result<(), Unfit> {
    let health = service.health();
    if !health.status.is_serving() {
        return Err(Unfit { check: check(&health), reason: health.problems.join("; ") });
    }
    for problem in &health.problems {
        tracing::warn!(problem, "this worker cannot do every job");
    }
    let folder = service.config().work_dir();
    let disk = |reason| Unfit { check: "disk", reason };
    let free = rustix::fs::statvfs(&folder)
        .map_err(|error| disk(format!("{} cannot be looked at: {error}", folder.display())))?;
    let free_mib = (free.f_bavail * free.f_frsize) >> 20;
    if free_mib < min_disk_mib {
        let folder = folder.display();
        return Err(disk(format!(
            "{free_mib} MiB are free in {folder}; DUOLIP_RUNPOD_MIN_DISK_MIB wants {min_disk_mib}"
        )));
    }
    Ok(())
}

fn check(health: &Health) -> &'static str {
    match health.status {
        Status::Warming => "warm_up",
        _ if health.versions.ffmpeg.is_none() => "ffmpeg",
        _ if health.versions.x264.is_none() => "x264",
        _ if !health.gan_model_loaded && !health.nogan_model_loaded => "models",
        _ if !health.avatar_loaded => "avatar",
        _ => "ffmpeg",
    }
}
