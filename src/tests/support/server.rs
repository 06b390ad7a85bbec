//! The real binary, on a port and a data directory of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{api::Api, wait::eventually};

/// A start may take so long on a busy machine, initdb and demo data included.
const START: Duration = Duration::from_secs(240);
/// The password of everybody the tests register.
pub const PASSWORD: &str = "correct-horse-battery-42";

/// A running (or stopped, or killed) server. Dropped, it leaves nothing behind.
pub struct Server {
    child: Child,
    dir: TempDir,
    command: Vec<String>,
    env: Vec<(String, String)>,
    base: String,
    /// From spawn to `/readyz` at the last start.
    pub started_in: Duration,
}

/// Somebody registered and signed in.
pub struct Person {
    /// The user's id.
    pub id: String,
    /// The e-mail address they sign in with.
    pub email: String,
    /// The session token.
    pub token: String,
    /// Calls with that token.
    pub api: Api,
}

/// The binary under test: beside this test executable, or `GIGSY_BIN`.
///
/// # Panics
/// When there is none.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("GIGSY_BIN") {
        return PathBuf::from(path);
    }
    let exe = std::env::current_exe().expect("the test executable has a path");
    let profile = exe.ancestors().nth(2).expect("target/<profile>/deps");
    let path = profile.join(format!("gigsy{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "{} is missing: the system tests run the real binary; run `make test`, or `cargo build` first",
        path.display()
    );
    path
}

impl Server {
    /// `gigsy serve` with these settings besides a free port and a fresh data directory; waits
    /// until it is ready.
    ///
    /// # Panics
    /// When it does not become ready; the log goes to standard error.
    pub async fn start(env: &[(&str, &str)]) -> Self {
        Self::launch(&["serve"], env).await
    }

    /// `gigsy serve --demo`.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn demo(env: &[(&str, &str)]) -> Self {
        Self::launch(&["serve", "--demo"], env).await
    }

    /// `gigsy serve` on the data that is in `dir/data` already.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn prepared(dir: TempDir, env: &[(&str, &str)]) -> Self {
        Self::launch_in(dir, &["serve"], env).await
    }

    async fn launch(command: &[&str], env: &[(&str, &str)]) -> Self {
        Self::launch_in(scratch(), command, env).await
    }

    async fn launch_in(dir: TempDir, command: &[&str], env: &[(&str, &str)]) -> Self {
        let mut all = vec![("GIGSY_LISTEN".to_owned(), "127.0.0.1:0".to_owned())];
        // The whole suite on MongoDB, each server in a database of its own (scripts/test-mongodb-server).
        if let Some(url) = std::env::var("GIGSY_TEST_MONGODB_URL").ok().filter(|url| !url.is_empty()) {
            let mut url: url::Url = url.parse().expect("GIGSY_TEST_MONGODB_URL names one host");
            url.set_path(&format!("gigsy_test_{}", uuid::Uuid::new_v4().simple()));
            all.push(("MONGODB_URL".to_owned(), url.to_string()));
        }
        // The suite can be run again over a NATS server (scripts/test-nats-server): a prefix of its own
        // keeps servers apart that have nothing to do with each other.
        if let Ok(url) = std::env::var("GIGSY_TEST_NATS_URL") {
            all.push(("NATS_URL".to_owned(), url));
            all.push(("GIGSY_BUS_PREFIX".to_owned(), format!("t{}", uuid::Uuid::now_v7().simple())));
        }
        for (name, value) in env {
            all.retain(|(known, _)| known != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        // The suite can be run again over a Redis (scripts/test-redis-server).
        if !all.iter().any(|(name, _)| name == "REDIS_URL") {
            all.extend(super::redis::of_the_suite());
        }
        let command: Vec<String> = command.iter().map(|s| (*s).to_owned()).collect();
        let child = spawn(dir.path(), &command, &all);
        let mut this =
            Self { child, dir, command, env: all, base: String::new(), started_in: Duration::ZERO };
        this.wait_ready(Instant::now()).await;
        this
    }

    /// `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The private directory around the data directory, for what a test writes.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Everything the server printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// REST without signing in.
    pub fn api(&self) -> Api {
        Api::new(&self.base, None)
    }

    /// Kills it as a power cut would, and reaps it.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// Past `limit`.
    pub async fn exit(&mut self, limit: Duration) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.child);
        eventually("the server's end", limit, || async {
            child.borrow_mut().try_wait().expect("the child can be waited for")
        })
        .await
    }

    /// Starts it again on the same data and port; waits until it is ready.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub async fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let began = Instant::now();
        self.child = spawn(self.dir.path(), &self.command, &self.env);
        self.wait_ready(began).await;
    }

    /// Runs another `gigsy` command with the same settings, to its end.
    ///
    /// # Panics
    /// When it cannot be run, or runs longer than a minute.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        run(self.dir.path(), arguments, &self.env).await
    }

    /// Registers and signs somebody in. The name need not be unique.
    ///
    /// # Panics
    /// When either is refused.
    pub async fn person(&self, name: &str) -> Person {
        let email = format!("{}-{}@example.test", name.to_lowercase(), uuid::Uuid::now_v7().simple());
        self.api()
            .post(
                "/api/v1/auth/register",
                &json!({"email": email, "password": PASSWORD, "display_name": name}),
            )
            .await
            .expect(201);
        self.sign_in(&email, PASSWORD).await
    }

    /// As many people, registered side by side.
    ///
    /// # Panics
    /// As [`Server::person`].
    pub async fn people(&self, count: usize) -> Vec<Person> {
        futures_util::future::join_all((0..count).map(|_| self.person("Somebody"))).await
    }

    /// Signs somebody in.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn sign_in(&self, email: &str, password: &str) -> Person {
        let body = json!({"email": email, "password": password, "device": "test"});
        let session = self.api().post("/api/v1/auth/sessions", &body).await.expect(201);
        let token = text(&session, "/token");
        Person {
            id: text(&session, "/user/id"),
            email: email.to_owned(),
            api: Api::new(&self.base, Some(&token)),
            token,
        }
    }

    /// The demo operator ([`Server::demo`]).
    ///
    /// # Panics
    /// When signing in is refused.
    pub async fn operator(&self) -> Person {
        self.sign_in("operator@demo.gigsy.test", "gigsy-demo-1").await
    }

    /// Makes a group room and answers its id.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn room(&self, owner: &Person, members: &[&Person]) -> String {
        let ids: Vec<&str> = members.iter().map(|p| p.id.as_str()).collect();
        let body = json!({"kind": "group", "name": "Test room", "member_ids": ids});
        text(&owner.api.post("/api/v1/chat/rooms", &body).await.expect(201), "/id")
    }

    /// Another setting from the next start on, and for the next command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// Without that setting, from the next start on.
    pub fn unset(&mut self, name: &str) {
        self.env.retain(|(known, _)| known != name);
    }

    /// What it was started with.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The settings that name its database.
    pub fn database_env(&self) -> impl Iterator<Item = (String, String)> {
        self.env.iter().filter(|(name, _)| name == "DATABASE_URL").cloned()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    async fn wait_ready(&mut self, began: Instant) {
        let address_file = self.data_dir().join("gigsy.addr");
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended while it started: {status}\n{}", self.log());
            }
            assert!(began.elapsed() < START, "the server is not ready after {START:?}:\n{}", self.log());
            if self.base.is_empty() {
                let found = std::fs::read_to_string(&address_file).unwrap_or_default();
                let found = found.trim().trim_start_matches("http://");
                if found.parse::<std::net::SocketAddr>().is_ok() {
                    self.base = format!("http://{found}");
                    // A restart comes back to the same place, as a deployed server would.
                    for (name, value) in &mut self.env {
                        if name == "GIGSY_LISTEN" {
                            *value = found.to_owned();
                        }
                    }
                }
            } else if let Ok(answer) = self.api().try_call("GET", "/readyz", None).await
                && answer.status == 200
            {
                self.started_in = began.elapsed();
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(60).collect();
            eprintln!("--- the server's last lines ---");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
        // In order first: the private Postgres then stops with it.
        self.terminate();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(postgres) = postmaster(&self.data_dir()) {
            let _ = kill_process(postgres, Signal::QUIT);
        }
    }
}

/// A temporary directory for a server: short, since a Unix socket's path is.
///
/// # Panics
/// When none can be made.
pub fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("gigsy-").tempdir().expect("a temporary directory")
}

/// The private PostgreSQL's process, by its pid file somewhere under `dir`.
pub fn postmaster(dir: &Path) -> Option<Pid> {
    let file = find(dir, "postmaster.pid", 4)?;
    let text = std::fs::read_to_string(file).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    // A stale file may name a process of somebody else.
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    if name.trim().starts_with("postgres") { Pid::from_raw(pid) } else { None }
}

/// A file of that name, at most `depth` directories down.
pub fn find(dir: &Path, name: &str, depth: usize) -> Option<PathBuf> {
    let here = dir.join(name);
    if here.exists() {
        return Some(here);
    }
    if depth == 0 {
        return None;
    }
    let entries = std::fs::read_dir(dir).ok()?;
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .find_map(|entry| find(&entry.path(), name, depth - 1))
}

/// Runs `gigsy` to its end in `dir`, with nothing of this process's own settings.
///
/// # Panics
/// When it cannot be run, or runs longer than a minute.
pub async fn run(dir: &Path, arguments: &[&str], env: &[(String, String)]) -> Output {
    let mut command = tokio::process::Command::from(prepare(dir, env));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    super::wait::within(&format!("gigsy {arguments:?}"), Duration::from_secs(60), command.output())
        .await
        .expect("the binary can be run")
}

fn spawn(dir: &Path, arguments: &[String], env: &[(String, String)]) -> Child {
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a log file");
    prepare(dir, env)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("the binary can be run")
}

fn prepare(dir: &Path, env: &[(String, String)]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let ours = text.starts_with("GIGSY_") && text != "GIGSY_POSTGRES_BIN";
        if ours || text.ends_with("_URL") {
            command.env_remove(&name);
        }
    }
    command.current_dir(dir).env("GIGSY_DATA_DIR", dir.join("data"));
    command.envs(env.iter().map(|(name, value)| (name, value)));
    command
}

/// The string at a JSON pointer.
///
/// # Panics
/// When there is none.
#[track_caller]
pub fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer).and_then(Value::as_str) {
        Some(text) => text.to_owned(),
        None => panic!("no text at {pointer} of {value}"),
    }
}
