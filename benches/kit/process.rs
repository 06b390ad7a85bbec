//! Child processes that end with the run, however it ends.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal};

use super::{Outcome, fail};

/// First argument by which this program knows that it shall become another program.
pub const BECOME: &str = "role:become";

/// A child. Dropping it asks it to end (SIGTERM), waits, and then kills it.
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    patience: Duration,
}

impl Process {
    /// Starts this same program in another role, its standard output read line by line.
    pub fn role(role: &str, args: &[String]) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(role).args(args).stderr(Stdio::inherit());
        Self::start(role, command, Duration::from_secs(2))
    }

    /// Starts another program. It goes through this one, which ties itself to the parent's life before
    /// it becomes the other (a signal at the parent's death survives `execve`).
    pub fn program(
        program: &std::path::Path,
        args: &[&str],
        set_up: impl FnOnce(&mut Command),
    ) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(BECOME).arg(program).args(args);
        set_up(&mut command);
        Self::start(&program.display().to_string(), command, Duration::from_secs(20))
    }

    fn start(name: &str, mut command: Command, patience: Duration) -> Outcome<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (sender, lines) = mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        let stdin = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, stdin, lines, patience })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Outcome<()> {
        match i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            Some(pid) => Ok(rustix::process::kill_process(pid, signal)?),
            None => fail(format!("{} has no process id", self.name)),
        }
    }

    /// Writes one line to its standard input.
    pub fn tell(&mut self, line: &str) -> Outcome<()> {
        match &mut self.stdin {
            // One write: a peer may take what it reads at once for a line.
            Some(stdin) => Ok(stdin.write_all(format!("{line}\n").as_bytes())?),
            None => fail(format!("{} takes no input", self.name)),
        }
    }

    /// The next line of its output; an error when it ended, none when `patience` is over.
    pub fn line(&mut self, patience: Duration) -> Outcome<Option<String>> {
        match self.lines.recv_timeout(patience) {
            Ok(line) => Ok(Some(line)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => fail(format!("{} ended early", self.name)),
        }
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
            && self.is_running()
        {
            let _ = rustix::process::kill_process(pid, Signal::TERM);
        }
        let until = Instant::now() + self.patience;
        while self.is_running() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes this process end when its parent does.
pub fn end_with_parent() -> Outcome<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?)
}

/// The [`BECOME`] role: turns into the program that the arguments name.
pub fn become_program(args: &[OsString]) -> Outcome<ExitCode> {
    end_with_parent()?;
    let Some((program, rest)) = args.split_first() else { return fail("no program to become") };
    Err(Command::new(program).args(rest).exec().into())
}

/// Lets this process and its children hold at least `wanted` descriptors, as far as the system allows.
pub fn allow_descriptors(wanted: u64) -> Outcome<()> {
    let now = rustix::process::getrlimit(Resource::Nofile);
    if now.current.is_none_or(|limit| limit >= wanted) {
        return Ok(());
    }
    let maximum = now.maximum.map(|most| most.max(wanted));
    if rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
        return Ok(());
    }
    let most = now.maximum.unwrap_or(wanted).min(wanted);
    if most < wanted {
        return fail(format!("needs {wanted} file descriptors and may have {most}: raise `ulimit -n`"));
    }
    Ok(rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: now.maximum })?)
}
