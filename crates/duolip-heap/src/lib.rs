//! Gives memory that was freed back to the operating system.
//!
//! Loading a model frees as much as it keeps: weights as they lay in the file, before they are
//! arranged for the processor. The C library keeps what was freed for later, which never comes.

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

#[cfg(test)]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::give_back_freed;

    /// Bytes of this process in memory.
    fn resident() -> usize {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
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
