//! What processes have used, as Linux tells it.

use std::time::Duration;

/// Clock ticks per second in `/proc`; fixed on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// Time on a processor of some processes and their children together; those that are gone count nothing.
pub(crate) fn processor_time(pids: &[u32]) -> Duration {
    let stats = stats();
    let of = |(pid, parent, _): &&(u32, u32, f64)| pids.contains(pid) || pids.contains(parent);
    let ticks: f64 = stats.iter().filter(of).map(|(_, _, ticks)| ticks).sum();
    Duration::from_secs_f64(ticks / TICKS)
}

/// Every process with its parent and its ticks.
fn stats() -> Vec<(u32, u32, f64)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stat = |name: std::ffi::OsString| {
        let pid: u32 = name.to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((pid, parent(&stat)?, ticks(&stat)?))
    };
    entries.filter_map(|entry| stat(entry.file_name())).collect()
}

/// The parent out of a `stat` line, the second field behind the name.
fn parent(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(1)?.parse().ok()
}

/// User and system time out of a `stat` line, whose second field may hold anything in parentheses.
fn ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

/// Memory that a process holds, in MiB.
pub(crate) fn memory(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_behind_the_name() {
        let line = "42 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0";
        assert_eq!(ticks(line), Some(300.0));
        assert_eq!(parent(line), Some(1));
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(memory(std::process::id()).unwrap() > 1.0);
    }
}
