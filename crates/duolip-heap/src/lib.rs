//! Gives memory that was freed back to the operating system.
//!
//! Loading a model frees as much as it keeps: weights as they lay in the file, before they are
//! arranged for the processor. The C library keeps what was freed for later, which never comes. So
//! it does with the pictures and mouths of jobs, each thread for itself.

/// Gives back what was freed and not used again. Blocks for a few milliseconds, and with it everybody
/// who asks for memory: for the end of a start, not for the middle of work. Does something with the
/// GNU C library alone.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library has no other way")]
pub fn give_back_freed() {
    // SAFETY: malloc_trim takes no pointer, may be called from any thread at any time, and leaves
    // what is in use where it is.
    unsafe { libc::malloc_trim(0) };
}

/// Nothing: there is no way, or no need.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_freed() {}

/// Blocks at least as large have pages of their own.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: libc::c_int = 128 << 10;

/// From now on large blocks go back as soon as they are freed, whatever was freed before: the C
/// library begins so, but then takes ever larger blocks from the heap of the thread that asks, and
/// keeps them. For the start of a program. Does something with the GNU C library alone.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library has no other way")]
pub fn give_back_large_blocks() {
    // SAFETY: mallopt takes no pointer, may be called from any thread at any time, and changes how
    // blocks to come are found, not those in use.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
}

/// Nothing: there is no way, or no need.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn give_back_large_blocks() {}

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::{give_back_freed, give_back_large_blocks};

    /// Bytes of this process in memory.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }

    /// Each test has a process of its own where nextest runs them; elsewhere one may see the other's
    /// blocks come and go, which are smaller than what is asserted.
    #[test]
    fn large_blocks_are_given_back_at_once_whatever_was_freed_before() {
        give_back_large_blocks();
        // Twice: the first that is freed is what the C library learns from.
        for _ in 0..2 {
            let block = vec![1_u8; 16 << 20];
            let behind = vec![1_u8; 64 << 10];
            let full = resident();
            drop(block);
            let given_back = full.saturating_sub(resident());
            assert!(given_back > 8 << 20, "{given_back} of {full} bytes");
            drop(behind);
        }
    }

    #[test]
    fn what_was_freed_is_given_back() {
        // Blocks small enough for the heap, and one behind them that keeps it from shrinking.
        let blocks: Vec<Vec<u8>> = (0..1024).map(|_| vec![1; 64 << 10]).collect();
        let behind = vec![1_u8; 64 << 10];
        let full = resident();
        drop(blocks);
        give_back_freed();
        let given_back = full.saturating_sub(resident());
        assert!(given_back > 32 << 20, "{given_back} of {full} bytes");
        drop(behind);
    }
}
