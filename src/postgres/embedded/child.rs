//! The server process: spawned, watched, restarted, stopped.
//!
//! One thread does it all and lives as long as the server, because the signal that ends an orphan
//! (`PR_SET_PDEATHSIG`) comes when the **thread** that spawned it ends, not the process.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{Child, ExitStatus},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Signal, WaitId, WaitIdOptions};
use url::Url;

use super::{
    Binaries, EmbeddedError, Identity, Options, cluster,
    layout::{Layout, PORT},
    leftover::{self, PidFile, TICK, to_pid},
    sql,
};
use crate::telemetry::log;

/// Recovery after a crash reads the log since the last checkpoint, which is bounded; a server that
/// takes longer than this is stuck.
const START_WITHIN: Duration = Duration::from_secs(300);

/// Waits between restarts of a server that does not stay up.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// A server that ran for so long gets its next restart at once.
const STEADY: Duration = Duration::from_secs(10);

/// How long a stop may take before it is asked for harder: SIGINT, SIGQUIT, SIGKILL.
const PATIENCE: [(Signal, Duration); 2] =
    [(Signal::QUIT, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(5))];

/// The thread that keeps a server running.
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
    layout: Layout,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The process, until it is reaped: while the lock is held, the number is nobody else's.
    pid: Option<u32>,
    stopping: bool,
    ended: bool,
}

impl Shared {
    /// No code panics with the lock held, and the state is plain data.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) {
        let state = self.state();
        if let Some(pid) = state.pid.and_then(to_pid) {
            // It may have just died, which is what was wanted.
            let _ = rustix::process::kill_process(pid, signal);
        }
    }

    /// Whether the stop came within `most`.
    fn stopping_within(&self, most: Duration) -> bool {
        let state = self.state();
        let waited = self.changed.wait_timeout_while(state, most, |state| !state.stopping);
        waited.map_or(true, |(state, _)| state.stopping)
    }
}

impl Supervisor {
    /// Initialises the cluster if there is none, and starts its server. Comes back when it accepts
    /// connections. `lock` is held until the server is gone.
    pub(super) fn start(options: Options, layout: Layout, lock: File) -> Result<Self, EmbeddedError> {
        let shared = Arc::new(Shared::default());
        let (report, started) = mpsc::channel();
        let mut keeper = Keeper { shared: Arc::clone(&shared), layout: layout.clone(), options, lock };
        let thread = thread::Builder::new()
            .name("postgres-keeper".into())
            .spawn(move || {
                keeper.run(&report);
                let mut state = keeper.shared.state();
                state.ended = true;
                keeper.shared.changed.notify_all();
            })
            .map_err(|e| EmbeddedError::io("start a thread for", &layout.cluster, e))?;
        match started.recv() {
            Ok(Ok(())) => Ok(Self { shared, thread, layout }),
            Ok(Err(error)) => {
                // It ends right after it reported; with it goes the lock.
                let _ = thread.join();
                Err(error)
            }
            Err(_) => Err(EmbeddedError::Start { said: "its keeper ended".into() }),
        }
    }

    pub(super) fn url(&self, user: &str, database: &str) -> Url {
        sql::url(&self.layout.socket, PORT, user, database)
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.shared.state().pid
    }

    /// Stops the server and waits until it is gone.
    pub(super) fn stop(self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        // Fast: sessions are ended, then everything is flushed, so that the next start is a warm one.
        self.shared.signal(Signal::INT);
        for (harder, patience) in PATIENCE {
            let state = self.shared.state();
            let waited = self.shared.changed.wait_timeout_while(state, patience, |state| !state.ended);
            if waited.map_or(true, |(state, _)| state.ended) {
                break;
            }
            slog::warn!(log(), "PostgreSQL does not stop"; "next_signal" => ?harder);
            self.shared.signal(harder);
        }
        // A panic in the keeper would show here; its child then went with it.
        let _ = self.thread.join();
    }
}

/// What the thread owns.
struct Keeper {
    shared: Arc<Shared>,
    layout: Layout,
    options: Options,
    #[expect(dead_code, reason = "held, not used: the lock goes with it")]
    lock: File,
}

/// A server that was started, and the thread that reads what it says.
struct Server {
    child: Child,
    said: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Keeper {
    fn run(&mut self, report: &mpsc::Sender<Result<(), EmbeddedError>>) {
        let plan = match self.plan() {
            Ok(plan) => plan,
            Err(error) => {
                // Whoever opened it may have given up waiting.
                let _ = report.send(Err(error));
                return;
            }
        };
        let mut first = Some(report);
        let mut delay = Duration::ZERO;
        loop {
            let began = Instant::now();
            match self.bring_up(&plan) {
                Ok(mut server) => {
                    slog::info!(log(), "PostgreSQL is up"; "dir" => %self.layout.cluster.display(),
                        "version" => plan.0.major, "identity" => %plan.1,
                        "postgres_pid" => server.child.id(), "ms" => began.elapsed().as_millis() as u64);
                    if let Some(report) = first.take() {
                        // Nobody waits any more if the opener gave up; the stop follows.
                        let _ = report.send(Ok(()));
                    }
                    let status = self.watch(&mut server);
                    if self.shared.state().stopping {
                        slog::info!(log(), "PostgreSQL stopped"; "status" => describe(status));
                        return;
                    }
                    slog::error!(log(), "PostgreSQL died and is restarted"; "status" => describe(status));
                }
                Err(error) => {
                    if let Some(report) = first.take() {
                        let _ = report.send(Err(error));
                        return;
                    }
                    slog::error!(log(), "PostgreSQL cannot be restarted yet"; "error" => %error);
                }
            }
            delay = if began.elapsed() > STEADY {
                Duration::ZERO
            } else {
                (delay * 2).clamp(BACKOFF.0, BACKOFF.1)
            };
            if self.shared.stopping_within(delay) {
                return;
            }
        }
    }

    /// Finds the binaries and the identity, and makes the cluster.
    fn plan(&self) -> Result<(Binaries, Identity), EmbeddedError> {
        leftover::clear(&self.layout.cluster, &self.layout.socket)?;
        let version = cluster::data_version(&self.layout)?;
        let named = self.options.postgres_bin.as_deref();
        let binaries = Binaries::find(named, version, &self.layout.cluster)?;
        let identity = match &self.options.identity {
            Some(identity) => identity.clone(),
            None => Identity::choose(&self.layout, &binaries)?,
        };
        if version.is_none() {
            cluster::initialise(&self.layout, &binaries, &identity)?;
        }
        for path in [&self.layout.cluster, &self.layout.socket, &self.layout.home.join("lock")] {
            identity.hand_over(path)?;
        }
        Ok((binaries, identity))
    }

    /// Starts the server and sees that it is fit for use.
    fn bring_up(&self, plan: &(Binaries, Identity)) -> Result<Server, EmbeddedError> {
        leftover::clear(&self.layout.cluster, &self.layout.socket)?;
        let mut server = self.spawn(plan)?;
        let fit = self.wait_ready(&mut server).and_then(|()| {
            sql::assert_durable(&self.layout)?;
            sql::provide(&self.layout)
        });
        if let Err(error) = fit {
            self.shared.signal(Signal::INT);
            self.watch(&mut server);
            // What the server said tells more than that we could not connect to it.
            return Err(match error {
                EmbeddedError::Start { said } => {
                    let lines = server.last_words();
                    let text = if lines.is_empty() { said } else { lines };
                    EmbeddedError::said(&text, &self.layout.home, |said| EmbeddedError::Start { said })
                }
                other => other,
            });
        }
        Ok(server)
    }

    fn spawn(&self, (binaries, identity): &(Binaries, Identity)) -> Result<Server, EmbeddedError> {
        let failed = |e| EmbeddedError::io("run", binaries.program("postgres"), e);
        let mut command = cluster::server(&self.layout, binaries, self.options.max_connections);
        identity.prepare(&mut command, &self.layout.home, Some(Signal::INT)).map_err(failed)?;
        let mut state = self.shared.state();
        if state.stopping {
            return Err(EmbeddedError::Start { said: "it is to stop".into() });
        }
        let mut child = command.spawn().map_err(failed)?;
        state.pid = Some(child.id());
        drop(state);
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let out = child.stdout.take().map(|pipe| listen(pipe, Arc::clone(&said)));
        let err = child.stderr.take().map(|pipe| listen(pipe, Arc::clone(&said)));
        let readers = [out, err].into_iter().flatten().flatten().collect();
        Ok(Server { child, said, readers })
    }

    fn wait_ready(&self, server: &mut Server) -> Result<(), EmbeddedError> {
        let until = Instant::now() + START_WITHIN;
        let pid = server.child.id();
        loop {
            if PidFile::read(&self.layout.cluster).is_some_and(|file| file.pid == pid && file.ready) {
                return Ok(());
            }
            // Looked at, not reaped: that is `watch`'s, with the lock held.
            if exited(pid, WaitIdOptions::NOHANG) || self.shared.state().stopping {
                return Err(EmbeddedError::Start { said: String::new() });
            }
            if Instant::now() > until {
                return Err(EmbeddedError::Start { said: "it is not ready after five minutes".into() });
            }
            thread::sleep(TICK);
        }
    }

    /// Waits for the server's end and reaps it.
    fn watch(&self, server: &mut Server) -> Option<ExitStatus> {
        while !exited(server.child.id(), WaitIdOptions::empty()) {}
        let mut state = self.shared.state();
        let status = server.child.wait().ok();
        state.pid = None;
        status
    }
}

/// Whether a child has ended; it stays a zombie, so that its number is not given to another.
fn exited(pid: u32, how: WaitIdOptions) -> bool {
    let Some(pid) = to_pid(pid) else { return true };
    match rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | how) {
        Ok(status) => status.is_some(),
        Err(rustix::io::Errno::INTR) => false,
        Err(_) => true,
    }
}

impl Server {
    /// The last lines of a server that has ended.
    fn last_words(&mut self) -> String {
        // Its orphans may keep the pipe open for a moment; then what is there must do.
        let until = Instant::now() + Duration::from_millis(200);
        while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < until {
            thread::sleep(TICK);
        }
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        // A wrong line in a file is told by a LOG line before the FATAL one.
        let noise = ["starting PostgreSQL", "listening on", "database system is", "shutting down"];
        let grave: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|line| !noise.iter().any(|word| line.contains(word)))
            .collect();
        grave.get(grave.len().saturating_sub(6)..).unwrap_or_default().join("\n")
    }
}

/// Passes what the server says on to the log, and keeps the last of it.
fn listen(pipe: impl Read + Send + 'static, said: Arc<Mutex<VecDeque<String>>>) -> Option<JoinHandle<()>> {
    let read = move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            match line.split_once(": ").map(|(word, _)| word.trim()) {
                Some("FATAL" | "PANIC") => slog::warn!(log(), "postgres"; "said" => &line),
                _ => slog::debug!(log(), "postgres"; "said" => &line),
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            if said.len() == 20 {
                said.pop_front();
            }
            said.push_back(line);
        }
    };
    thread::Builder::new().name("postgres-log".into()).spawn(read).ok()
}

fn describe(status: Option<ExitStatus>) -> String {
    match status {
        Some(status) => match status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => format!("exit code {}", status.code().unwrap_or_default()),
        },
        None => "unknown".to_owned(),
    }
}
