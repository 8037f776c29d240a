//! Error kinds, mapped outward. The one file that knows what a kind means to HTTP, to a retrying
//! caller and to a shell.

use duolip_pipeline::ErrorKind;

/// What a kind of error looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// The stable code in answers and logs.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The exit code of the command line (sysexits).
    pub exit: u8,
}

/// The error table.
#[must_use]
pub const fn outside(kind: ErrorKind) -> Outside {
    let (code, status, retryable, exit) = match kind {
        ErrorKind::Unparsable => ("invalid_input", 400, false, 65),
        ErrorKind::InvalidInput => ("invalid_input", 422, false, 65),
        ErrorKind::TooLarge => ("limit_exceeded", 413, false, 65),
        ErrorKind::LimitExceeded => ("limit_exceeded", 422, false, 65),
        ErrorKind::NotFound => ("not_found", 404, false, 66),
        ErrorKind::NoFace => ("no_face", 422, false, 65),
        ErrorKind::PairRequired => ("pair_required", 503, false, 69),
        ErrorKind::Overloaded => ("overloaded", 429, true, 75),
        ErrorKind::NotReady => ("not_ready", 503, true, 75),
        ErrorKind::GpuOutOfMemory => ("gpu_out_of_memory", 503, true, 75),
        ErrorKind::DeadlineExceeded => ("deadline_exceeded", 504, true, 75),
        // Nobody is left to read this status; 499 is what proxies log for it.
        ErrorKind::Cancelled => ("cancelled", 499, false, 130),
        ErrorKind::Upstream => ("upstream", 502, true, 75),
        ErrorKind::Internal => ("internal", 500, false, 70),
    };
    Outside { code, status, retryable, exit }
}

/// How long a caller should wait before it tries again, in seconds; sent with 429 and with the 503
/// of a process that is warming up.
#[must_use]
pub const fn retry_after_seconds(kind: ErrorKind) -> Option<u32> {
    match kind {
        ErrorKind::Overloaded => Some(5),
        ErrorKind::NotReady => Some(2),
        _ => None,
    }
}

/// Whether a RunPod worker should be replaced by a fresh one after this: its process or its GPU may
/// not be what they were.
#[must_use]
pub const fn refreshes_worker(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Internal | ErrorKind::GpuOutOfMemory)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn the_whole_table_is_as_documented() {
        let mut table = String::new();
        for kind in ErrorKind::ALL {
            let Outside { code, status, retryable, exit } = outside(kind);
            let kind = format!("{kind:?}");
            writeln!(table, "{kind:<17} {code:<18} {status} retryable={retryable:<5} exit={exit}")
                .unwrap();
        }
        insta::assert_snapshot!(table, @r"
        Unparsable        invalid_input      400 retryable=false exit=65
        InvalidInput      invalid_input      422 retryable=false exit=65
        TooLarge          limit_exceeded     413 retryable=false exit=65
        LimitExceeded     limit_exceeded     422 retryable=false exit=65
        NotFound          not_found          404 retryable=false exit=66
        NoFace            no_face            422 retryable=false exit=65
        PairRequired      pair_required      503 retryable=false exit=69
        Overloaded        overloaded         429 retryable=true  exit=75
        NotReady          not_ready          503 retryable=true  exit=75
        GpuOutOfMemory    gpu_out_of_memory  503 retryable=true  exit=75
        DeadlineExceeded  deadline_exceeded  504 retryable=true  exit=75
        Cancelled         cancelled          499 retryable=false exit=130
        Upstream          upstream           502 retryable=true  exit=75
        Internal          internal           500 retryable=false exit=70
        ");
    }

    #[test]
    fn the_table_of_the_api_page_is_this_table() {
        let page = include_str!("../../../docs/api.md");
        for kind in ErrorKind::ALL {
            let Outside { code, status, retryable, exit } = outside(kind);
            let again = if retryable { "yes" } else { "no" };
            let row = format!("| `{code}` | {status} | {again} | {exit} |");
            assert!(page.contains(&row), "docs/api.md has no row {row}");
        }
    }
}
