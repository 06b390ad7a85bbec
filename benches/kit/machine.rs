//! Where and when a result was measured.

use std::fs;
use std::process::Command;

/// Cores, processor, memory and kernel, in one line.
pub fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let field = |path: &str, name: &str| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let model = field("/proc/cpuinfo", "model name");
    let kib: u64 =
        field("/proc/meminfo", "MemTotal").split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // The numbers alone: what a distributor appends says nothing about speed.
    let kernel = release.trim().split('-').next().unwrap_or_default();
    format!("{cores} cores, {model}, {} GB, Linux {kernel}", kib.div_ceil(1_000_000))
}

/// Now, RFC 3339 in UTC to the second.
pub fn date() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// The commit checked out, with a `+` when the sources differ from it.
pub fn commit() -> String {
    let git = |args: &[&str]| {
        let out = Command::new("git").args(args).output().ok().filter(|out| out.status.success());
        out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    let changed = git(&["status", "--porcelain", "--", "src", "benches", "Cargo.toml", "Cargo.lock"]);
    if changed.is_some_and(|files| !files.is_empty()) { format!("{commit}+") } else { commit }
}
