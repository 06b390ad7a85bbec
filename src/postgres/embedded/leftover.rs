//! What an earlier run left behind: a server whose parent was killed, orphaned backends, a stale
//! `postmaster.pid`.
//!
//! A postmaster changes into its data directory, and its backends stay there: that, with the
//! program's name, tells its processes from one that merely has the number in `postmaster.pid`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions};

use super::EmbeddedError;
use crate::telemetry::log;

/// How finely a condition is polled: a warm start takes some tens of milliseconds altogether.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// `postmaster.pid`, as `src/include/utils/pidfile.h` of PostgreSQL lays it out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PidFile {
    pub(super) pid: u32,
    pub(super) port: u16,
    pub(super) socket: PathBuf,
    pub(super) ready: bool,
}

impl PidFile {
    pub(super) fn read(cluster: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(cluster.join("postmaster.pid")).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<&str> = text.lines().collect();
        Some(Self {
            pid: lines.first()?.trim().parse().ok()?,
            port: lines.get(3).and_then(|line| line.trim().parse().ok()).unwrap_or_default(),
            socket: lines.get(4).map(|line| PathBuf::from(line.trim())).unwrap_or_default(),
            ready: lines.get(7).is_some_and(|line| line.trim() == "ready"),
        })
    }
}

/// Waits until a server that someone else runs accepts connections.
pub(super) fn wait_ready(cluster: &Path, most: Duration) -> Option<PidFile> {
    let until = Instant::now() + most;
    loop {
        match PidFile::read(cluster) {
            Some(file) if file.ready && processes(cluster, file.pid).contains(&file.pid) => {
                return Some(file);
            }
            _ if Instant::now() >= until => return None,
            _ => thread::sleep(TICK),
        }
    }
}

/// Ends whatever still runs on this cluster and clears its lock files away. The caller holds our
/// own lock, so nothing here is in anyone's use.
pub(super) fn clear(cluster: &Path, socket: &Path) -> Result<(), EmbeddedError> {
    let file = PidFile::read(cluster);
    let named = file.as_ref().map_or(0, |file| file.pid);
    let found = processes(cluster, named);
    if found.contains(&named) {
        slog::warn!(log(), "stopping the PostgreSQL that an earlier run left behind"; "postgres_pid" => named);
        // In order if it can: it may well be stopping already.
        end(cluster, &[named], &[(Signal::INT, 10_000), (Signal::QUIT, 5_000), (Signal::KILL, 5_000)]);
    }
    // Backends follow their postmaster, unless they are in the middle of a query.
    let orphans = processes(cluster, named);
    end(cluster, &orphans, &[(Signal::QUIT, 2_000), (Signal::KILL, 5_000)]);
    let left = processes(cluster, named);
    if !left.is_empty() {
        return Err(EmbeddedError::Start {
            said: format!("processes of an earlier run in {} do not end: {left:?}", cluster.display()),
        });
    }
    // PostgreSQL clears these by itself only if no process has the number in them, be it a zombie
    // or a stranger.
    let name = format!(".s.PGSQL.{}", super::layout::PORT);
    for path in [cluster.join("postmaster.pid"), socket.join(&name), socket.join(format!("{name}.lock"))] {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(EmbeddedError::io("remove", path, e));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Signals processes, harder each time, until they are gone.
fn end(cluster: &Path, pids: &[u32], steps: &[(Signal, u64)]) {
    for &(signal, patience) in steps {
        let alive = |pid: &&u32| processes(cluster, **pid).contains(*pid);
        let targets: Vec<u32> = pids.iter().filter(alive).copied().collect();
        for pid in targets.iter().filter_map(|pid| to_pid(*pid)) {
            // Gone in the meantime: all the better.
            let _ = rustix::process::kill_process(pid, signal);
        }
        let until = Instant::now() + Duration::from_millis(patience);
        loop {
            for pid in targets.iter().filter_map(|pid| to_pid(*pid)) {
                // Orphans of a process 1 are its own to reap; anyone else's are not ours.
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
            }
            if !targets.iter().any(|pid| alive(&pid)) {
                return;
            }
            if Instant::now() >= until {
                break;
            }
            thread::sleep(TICK);
        }
    }
}

pub(super) fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The live PostgreSQL processes of a cluster. A zombie is not one of them.
#[cfg(target_os = "linux")]
pub(super) fn processes(cluster: &Path, _named: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let there = fs::read_link(entry.path().join("cwd")).ok()? == cluster;
            // A person's shell may be there too.
            let name = there.then(|| fs::read_to_string(entry.path().join("comm")).ok()).flatten()?;
            name.starts_with("postgres").then_some(pid)
        })
        .collect()
}

/// Without `/proc` only the postmaster can be told: by its number and its program's name.
#[cfg(not(target_os = "linux"))]
pub(super) fn processes(_cluster: &Path, named: u32) -> Vec<u32> {
    let mut ps = std::process::Command::new("ps");
    let Ok(output) = ps.args(["-o", "stat=,comm=", "-p", &named.to_string()]).output() else {
        return Vec::new();
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.trim();
    if text.contains("postgres") && !text.starts_with('Z') { vec![named] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pid_file_is_read_in_every_stage() {
        let full = "4711\n/data\n1700000000\n5432\n/data/socket\n\n  12345   6\nready   \n";
        let file = PidFile::parse(full).unwrap();
        assert_eq!((file.pid, file.port, file.ready), (4711, 5432, true));
        assert_eq!(file.socket, Path::new("/data/socket"));
        assert!(!PidFile::parse(&full.replace("ready   ", "starting")).unwrap().ready);
        assert!(!PidFile::parse("4711\n").unwrap().ready);
        assert_eq!(PidFile::parse(""), None);
        assert_eq!(PidFile::parse("\0\0\0"), None);
    }

    #[test]
    fn a_strangers_number_in_the_pid_file_is_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        fs::create_dir(&socket).unwrap();
        let mine = std::process::id();
        fs::write(dir.path().join("postmaster.pid"), format!("{mine}\n")).unwrap();
        clear(dir.path(), &socket).unwrap();
        assert!(!dir.path().join("postmaster.pid").exists());
    }
}
