//! Gigsy as a system under test: the release binary with a data directory of its own, its private
//! PostgreSQL, and limits raised so far that they do not shape the result.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::kit::process::Process;
use crate::kit::{Outcome, fail, http, usage};
use crate::peers::repository;
use crate::speech::{Speech, Way};
use crate::system::{Processes, System};

const PASSWORD: &str = "bench-password-1";

/// Sessions one account holds at most; more sessions are spread over more accounts.
const SESSIONS_PER_USER: usize = 50;

/// Sessions over which a room's members are spread at least.
const ROOM_SESSIONS: usize = 20;

/// What differs from the defaults: nothing but limits that loopback load would meet.
const SETTINGS: &[(&str, &str)] = &[
    ("GIGSY_LIMIT_SIGN_IN", "1000000"),
    ("GIGSY_LIMIT_CALLS", "10000000"),
    ("GIGSY_LIMIT_COMMANDS", "1000000"),
    ("GIGSY_MAX_CONNECTIONS_PER_SESSION", "100000"),
    ("GIGSY_REALTIME_TOKEN_SECONDS", "86400"),
    ("GIGSY_LOG", "warning"),
    ("GIGSY_LOG_FORMAT", "json"),
];

/// Gigsy, started from a release binary.
pub struct Gigsy {
    name: &'static str,
    binary: PathBuf,
    data: TempDir,
    running: Option<(Process, SocketAddr)>,
    address: Option<SocketAddr>,
    sessions: Vec<String>,
    helpers: Vec<u32>,
    demo: bool,
    speech: Speech,
}

impl Gigsy {
    /// With an empty data directory. `GIGSY_BENCH_BINARY` may name another binary than the release build of
    /// this repository.
    pub fn new(name: &'static str) -> Outcome<Self> {
        let named = std::env::var_os("GIGSY_BENCH_BINARY").map(PathBuf::from);
        Self::of(name, named.unwrap_or_else(|| repository().join("target/release/gigsy")))
    }

    /// Another binary, to be set beside the first under another name.
    pub fn of(name: &'static str, binary: PathBuf) -> Outcome<Self> {
        if !binary.is_file() {
            return fail(format!("{} is not there: cargo build --release", binary.display()));
        }
        let data = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
        let (sessions, helpers) = (Vec::new(), Vec::new());
        let (demo, speech) = (false, Speech::Centrifuge);
        Ok(Self { name, binary, data, running: None, address: None, sessions, helpers, demo, speech })
    }

    /// Spoken to in Protobuf.
    pub fn in_protobuf(mut self) -> Self {
        self.speech = Speech::CentrifugeProtobuf;
        self
    }

    /// With the demo's people and gigs.
    pub fn with_demo(mut self) -> Self {
        self.demo = true;
        self
    }

    /// The database `postgres` of its private PostgreSQL, as `pg` takes it.
    pub fn postgres_url(&self) -> Outcome<String> {
        let socket = self.data.path().join("postgres/socket");
        if !socket.is_dir() {
            return fail("the private PostgreSQL's socket is not where it was expected");
        }
        let socket = socket.display().to_string().replace('/', "%2F");
        Ok(format!("postgres://postgres@{socket}/postgres"))
    }

    /// How many connections were closed by a code so far, as its metrics tell.
    pub fn closes(server: SocketAddr, code: u16) -> Outcome<u64> {
        let text = http::text(server, "/metrics")?;
        let start = format!("gigsy_realtime_closes_total{{code=\"{code}\"}} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        Ok(line.and_then(|count| count.trim().parse().ok()).unwrap_or(0))
    }

    /// Signs one of the demo's people in.
    pub fn sign_in(&self, who: &str) -> Outcome<String> {
        let form = json!({
            "email": format!("{who}@demo.gigsy.test"), "password": "gigsy-demo-1", "device": "bench",
        });
        text(&self.post("/api/v1/auth/sessions", None, &form)?, "token")
    }

    fn server(&self) -> Outcome<SocketAddr> {
        match &self.running {
            Some((_, addr)) => Ok(*addr),
            None => fail("gigsy is not started"),
        }
    }

    /// Posts JSON.
    pub fn post(&self, path: &str, session: Option<&str>, body: &Value) -> Outcome<Value> {
        http::call_ok(self.server()?, "POST", path, session, Some(body))
    }
}

impl System for Gigsy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn speech(&self) -> Speech {
        self.speech
    }

    fn way(&self, kept: bool) -> Option<Way> {
        Some(if kept { Way::ChatSend } else { Way::Publish })
    }

    fn recovers(&self) -> bool {
        self.speech == Speech::Centrifuge
    }

    /// Accounts, and a session for each of `connections`: a sign-in costs a password hash, so it is done
    /// once and not measured.
    fn prepare(&mut self, connections: usize, on: &mut dyn FnMut(usize)) -> Outcome<()> {
        let wanted = connections.max(ROOM_SESSIONS);
        let server = self.server()?;
        let users = wanted.div_ceil(SESSIONS_PER_USER);
        let (done, next) = (Mutex::new(Vec::with_capacity(wanted)), Mutex::new(0..users));
        let work = || -> Outcome<()> {
            loop {
                let Some(user) = next.lock().ok().and_then(|mut users| users.next()) else { return Ok(()) };
                let email = format!("bench-{user}@bench.gigsy.test");
                let person = json!({"email": email, "password": PASSWORD, "display_name": "Bench"});
                http::call_ok(server, "POST", "/api/v1/auth/register", None, Some(&person))?;
                let sign_in = json!({"email": email, "password": PASSWORD, "device": "bench"});
                for _ in 0..SESSIONS_PER_USER.min(wanted - user * SESSIONS_PER_USER) {
                    let answer =
                        http::call_ok(server, "POST", "/api/v1/auth/sessions", None, Some(&sign_in))?;
                    if let Ok(mut done) = done.lock() {
                        done.push((user, text(&answer, "token")?));
                    }
                }
            }
        };
        std::thread::scope(|scope| -> Outcome<()> {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            while workers.iter().any(|worker| !worker.is_finished()) {
                on(done.lock().map_or(0, |done| done.len()));
                std::thread::sleep(Duration::from_millis(50));
            }
            for worker in workers {
                worker.join().map_err(|_| "a sign-in thread panicked")??;
            }
            Ok(())
        })?;
        let mut done = done.into_inner().map_err(|_| "a sign-in thread panicked")?;
        // The first user's sessions first: a room's members are sessions of its owner.
        done.sort_by_key(|(user, _)| *user);
        self.sessions = done.into_iter().map(|(_, session)| session).collect();
        Ok(())
    }

    fn start(&mut self) -> Outcome<()> {
        // The same over restarts: clients come back to where they were.
        let addr = match self.address {
            Some(addr) => addr,
            None => TcpListener::bind("127.0.0.1:0")?.local_addr()?,
        };
        self.address = Some(addr);
        let data = self.data.path().to_owned();
        let args: &[&str] = if self.demo { &["serve", "--demo"] } else { &["serve"] };
        let server = Process::program(&self.binary, args, |command| {
            // Nothing of the caller's own set-up reaches the server under test.
            for (name, _) in std::env::vars_os() {
                let name_text = name.to_string_lossy();
                if name_text.ends_with("_URL")
                    || (name_text.starts_with("GIGSY_") && name_text != "GIGSY_POSTGRES_BIN")
                {
                    command.env_remove(&name);
                }
            }
            command.env("GIGSY_LISTEN", addr.to_string()).env("GIGSY_DATA_DIR", &data);
            command.envs(SETTINGS.iter().copied());
        })?;
        let (server, _) = self.running.insert((server, addr));
        let until = Instant::now() + Duration::from_secs(60);
        while !matches!(http::call(addr, "GET", "/readyz", None, None), Ok((200, _))) {
            if !server.is_running() {
                return fail("gigsy ended while starting; its message stands above");
            }
            if Instant::now() > until {
                return fail("gigsy was not ready within a minute");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.helpers = usage::descendants(server.id());
        Ok(())
    }

    fn processes(&self) -> Outcome<Processes> {
        let Some((server, _)) = &self.running else { return fail("gigsy is not started") };
        Ok(Processes { server: vec![server.id()], helpers: usage::descendants(server.id()) })
    }

    fn address(&self) -> Outcome<SocketAddr> {
        self.server()
    }

    fn rooms(&mut self, count: usize, kept: bool) -> Outcome<Vec<String>> {
        let owner = self.sessions.first().cloned().unwrap_or_default();
        let space = if kept { "chat" } else { "live" };
        let room = json!({"kind": "group", "name": "Bench", "member_ids": []});
        (0..count)
            .map(|_| {
                let id = text(&self.post("/api/v1/chat/rooms", Some(&owner), &room)?, "id")?;
                Ok(format!("{space}:{id}"))
            })
            .collect()
    }

    fn tokens(&self, count: usize) -> Outcome<Vec<String>> {
        let sessions = self.sessions.iter().take(count);
        sessions
            .map(|session| {
                let path = "/api/v1/realtime/token";
                text(&self.post(path, Some(session), &json!({}))?, "token")
            })
            .collect()
    }

    fn ask_to_stop(&mut self) -> Outcome<()> {
        match &self.running {
            Some((process, _)) => process.signal(rustix::process::Signal::TERM),
            None => fail("gigsy is not started"),
        }
    }

    fn kill(&mut self) -> Outcome<()> {
        if let Some((process, _)) = self.running.take() {
            process.signal(rustix::process::Signal::KILL)?;
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.running = None;
        // PostgreSQL stops with Gigsy; what outlived a crash of it must not outlive the benchmark. Only
        // processes that still belong to this data directory are meant.
        let ours = self.data.path().as_os_str().as_encoded_bytes().to_owned();
        for pid in self.helpers.drain(..) {
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if memchr::memmem::find(&command, &ours).is_some()
                && let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            }
        }
    }
}

impl Drop for Gigsy {
    fn drop(&mut self) {
        self.stop();
    }
}

fn text(answer: &Value, field: &str) -> Outcome<String> {
    match answer.get(field).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => fail(format!("no {field} in {answer}")),
    }
}
