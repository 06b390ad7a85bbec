//! Gigsy as a system under test: the release binary with a data directory of its own, its private
//! PostgreSQL, and limits raised so far that they do not shape the result.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::kit::process::Process;
use super::kit::{Outcome, fail, http, usage};
use super::system::{Audience, Connecting, Processes, System};
use crate::centrifuge::RpcPublisher;
use crate::drain::{Drain, DrainOrder, Protocol};

const PASSWORD: &str = "bench-password-1";

/// Sessions one account holds at most; more sessions are spread over more accounts.
const SESSIONS_PER_USER: usize = 50;

/// Sessions over which a room's members are spread.
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

/// Gigsy, started from the binary that Cargo built for this benchmark (the release one).
pub struct Gigsy {
    data: TempDir,
    running: Option<(Process, SocketAddr)>,
    sessions: Vec<String>,
    helpers: Vec<u32>,
}

impl Gigsy {
    /// With an empty data directory.
    pub fn new() -> Outcome<Self> {
        let data = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
        Ok(Self { data, running: None, sessions: Vec::new(), helpers: Vec::new() })
    }

    fn server(&self) -> Outcome<SocketAddr> {
        match &self.running {
            Some((_, addr)) => Ok(*addr),
            None => fail("gigsy is not started"),
        }
    }

    fn post(&self, path: &str, session: Option<&str>, body: &Value) -> Outcome<Value> {
        http::call_ok(self.server()?, "POST", path, session, Some(body))
    }

    /// Connection tokens of the first `count` sessions.
    fn tokens(&self, count: usize) -> Outcome<Vec<String>> {
        let server = self.server()?;
        let sessions = self.sessions.iter().take(count);
        sessions
            .map(|session| {
                let path = "/api/v1/realtime/token";
                let answer = http::call_ok(server, "POST", path, Some(session), Some(&json!({})))?;
                text(&answer, "token")
            })
            .collect()
    }
}

impl System for Gigsy {
    fn name(&self) -> &'static str {
        "gigsy"
    }

    fn version(&self) -> String {
        env!("CARGO_PKG_VERSION").to_owned()
    }

    fn persists(&self) -> bool {
        true
    }

    /// Accounts, and a session for each of `connections`: a sign-in costs a password hash, so it is done
    /// once and not measured.
    fn prepare(&mut self, connections: usize, on: Connecting<'_>) -> Outcome<()> {
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
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let data = self.data.path().to_owned();
        let server = Process::program(Path::new(env!("CARGO_BIN_EXE_gigsy")), &["serve"], |command| {
            // Nothing of the caller's own set-up reaches the server under test.
            for (name, _) in std::env::vars_os() {
                let name_text = name.to_string_lossy();
                if name_text == "DATABASE_URL"
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
        Ok(Processes { server: server.id(), helpers: usage::descendants(server.id()) })
    }

    fn audience(&mut self, members: usize, _frame_bytes: usize) -> Outcome<Audience> {
        let owner = self.sessions.first().cloned().unwrap_or_default();
        let room = json!({"kind": "group", "name": "Bench", "member_ids": []});
        let room = text(&self.post("/api/v1/chat/rooms", Some(&owner), &room)?, "id")?;
        let tokens = self.tokens(ROOM_SESSIONS)?;
        let server = self.server()?;
        let order = DrainOrder {
            protocol: Protocol::Centrifuge,
            server,
            tokens: tokens.clone(),
            channel: Some(format!("chat:{room}")),
            connections: members,
        };
        let drain = Drain::start(&order, &mut |_| {})?;
        let token = tokens.first().map(String::as_str).unwrap_or_default();
        let publisher = RpcPublisher::new(
            server,
            token,
            "chat.send",
            move |number, body| json!({"room": room, "client_msg_id": format!("bench-{number}"), "body": body}),
        )?;
        Ok(Audience { drain, publisher: Box::new(publisher) })
    }

    fn idle(&mut self, connections: usize, on: Connecting<'_>) -> Outcome<Drain> {
        let order = DrainOrder {
            protocol: Protocol::Centrifuge,
            server: self.server()?,
            tokens: self.tokens(connections)?,
            channel: None,
            connections,
        };
        Drain::start(&order, on)
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
