//! A PostgreSQL server of this machine (Debian's), started for one test on a port of its own: what
//! `DATABASE_URL` names in production.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wait::eventually;

/// A running server; it stops when dropped.
pub struct PostgresServer {
    child: Child,
    port: u16,
    // Dropped last: the server writes into it until it is gone.
    _dir: TempDir,
}

/// The directory with `initdb` and `postgres`, if this machine has one.
pub fn installed() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = debian
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("postgres").is_file() && bin.join("initdb").is_file())
        .collect();
    found.sort();
    found.pop()
}

impl PostgresServer {
    /// Makes a cluster and starts it.
    ///
    /// # Panics
    /// When either fails.
    pub async fn start(bin: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("gigsy-pg-").tempdir().expect("a temporary directory");
        let data = dir.path().join("data");
        if rustix::process::getuid().is_root() {
            // PostgreSQL refuses to run as root; Debian's package brings the user.
            let done = Command::new("chown").arg("postgres").arg(dir.path()).status();
            assert!(done.is_ok_and(|s| s.success()), "the user postgres is missing");
        }
        let made = as_postgres(&bin.join("initdb"))
            .args(["-U", "gigsy", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let log = std::fs::File::create(dir.path().join("log")).expect("a log file");
        let child = as_postgres(&bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("postgres runs");
        let this = Self { child, port, _dir: dir };
        eventually("the PostgreSQL server answers", Duration::from_secs(20), || async {
            let ready = as_postgres(&bin.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status();
            ready.is_ok_and(|status| status.success()).then_some(())
        })
        .await;
        this
    }

    /// What `DATABASE_URL` is set to.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The same for another database.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://gigsy@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates a database.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn create(&self, database: &str) {
        let client = self.client("postgres").await;
        client.batch_execute(&format!("create database {database}")).await.expect("created");
    }

    /// The number that a query answers.
    ///
    /// # Panics
    /// When it answers none.
    pub async fn ask(&self, database: &str, query: &str) -> i64 {
        self.client(database).await.query_one(query, &[]).await.expect("answered").get(0)
    }

    async fn client(&self, database: &str) -> tokio_postgres::Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url_of(database), tokio_postgres::NoTls).await.expect("it answers");
        tokio::spawn(connection);
        client
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.child.wait();
    }
}

/// `program`, as the user postgres when this is root.
fn as_postgres(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command.current_dir("/");
    command
}
