//! How much memory the embedded server may keep pages in.

/// Least and most, in megabytes.
const LEAST_MB: u64 = 128;
const MOST_MB: u64 = 1024;

/// The machine's memory is divided by this: most of it is for others.
const SHARE: u64 = 8;

/// `shared_buffers`, in megabytes. An index that does not fit is read from the
/// system's cache page by page, which makes a search ten times as slow; what
/// is not filled costs nothing.
pub(super) fn shared_buffers_mb() -> u64 {
    of(total_mb())
}

fn of(total_mb: Option<u64>) -> u64 {
    total_mb.map_or(LEAST_MB, |total| (total / SHARE).clamp(LEAST_MB, MOST_MB))
}

/// The machine's memory, or the container's if that is less.
#[cfg(target_os = "linux")]
fn total_mb() -> Option<u64> {
    let machine = std::fs::read_to_string("/proc/meminfo").ok()?;
    let machine: u64 = machine.lines().next()?.split_whitespace().nth(1)?.parse().ok()?;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|bytes| bytes.trim().parse::<u64>().ok());
    Some((machine / 1024).min(container.map_or(u64::MAX, |bytes| bytes / 1024 / 1024)))
}

#[cfg(not(target_os = "linux"))]
fn total_mb() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_keeps_its_memory_and_a_large_one_gives_no_more_than_needed() {
        assert_eq!(of(None), 128);
        assert_eq!(of(Some(512)), 128);
        assert_eq!(of(Some(4096)), 512);
        assert_eq!(of(Some(65_536)), 1024);
    }
}
