//! What a process has used, read from `/proc`: CPU time and resident memory.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// The CPU time of some processes at one moment; two of them tell what was used between.
///
/// `utime + stime` of `/proc/<pid>/stat` counts whole ticks (10 ms), too coarse for a phase that costs
/// 50 ms, so the nanoseconds each thread ran (`schedstat`) are taken, with the ticks as a lower bound:
/// a thread that ended in between is in the ticks only.
pub struct CpuReading {
    threads: HashMap<(u32, u32), u64>,
    ticks: HashMap<u32, u64>,
}

impl CpuReading {
    /// Reads the given processes now; one that has gone counts as nothing.
    pub fn of(pids: &[u32]) -> Self {
        let mut reading = Self { threads: HashMap::new(), ticks: HashMap::new() };
        for &pid in pids {
            if let Some(ticks) = ticks(pid) {
                reading.ticks.insert(pid, ticks);
            }
            for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let ran = fs::read_to_string(thread.path().join("schedstat")).ok();
                let ran = ran.and_then(|text| text.split_whitespace().next()?.parse().ok());
                let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
                if let (Some(ran), Some(id)) = (ran, id) {
                    reading.threads.insert((pid, id), ran);
                }
            }
        }
        reading
    }

    /// The CPU time used since `earlier`.
    pub fn since(&self, earlier: &Self) -> Duration {
        let by_threads: u64 = self
            .threads
            .iter()
            .map(|(id, ran)| ran.saturating_sub(earlier.threads.get(id).copied().unwrap_or(0)))
            .sum();
        let ticks: u64 = self
            .ticks
            .iter()
            .map(|(pid, now)| now.saturating_sub(earlier.ticks.get(pid).copied().unwrap_or(0)))
            .sum();
        let tick = 1_000_000_000 / rustix::param::clock_ticks_per_second().max(1);
        // utime and stime each round, for each process.
        let at_least = ticks.saturating_sub(2 * self.ticks.len() as u64) * tick;
        Duration::from_nanos(by_threads.max(at_least))
    }
}

/// `utime + stime` in clock ticks (fields 14 and 15 of `proc_pid_stat(5)`).
fn ticks(pid: u32) -> Option<u64> {
    let fields = stat(pid)?;
    Some(fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?)
}

/// The fields of `/proc/<pid>/stat` from the third (state) on: the second may hold spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after = &text[text.rfind(')')? + 1..];
    Some(after.split_whitespace().map(str::to_owned).collect())
}

/// All processes below `pid`, not itself.
pub fn descendants(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        if let Some(parent) = stat(id).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(id);
        }
    }
    let (mut found, mut next) = (Vec::new(), vec![pid]);
    while let Some(parent) = next.pop() {
        for child in children.remove(&parent).unwrap_or_default() {
            found.push(child);
            next.push(child);
        }
    }
    found
}

/// Resident memory in KiB (`VmRSS`).
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
