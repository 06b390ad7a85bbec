//! A server that speaks MongoDB's protocol, started for one test on a port of its own: SecantusDB, which
//! `scripts/setup-tests` installs, over WiredTiger, the storage engine of MongoDB itself. Or, with
//! `GIGSY_TEST_MONGODB_URL`, whatever server that names (each test takes a database of its own there).

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wait::eventually;
use crate::{config::MongoConfig, ports::mongo::Mongo};

/// How it presents itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presents {
    /// As a replica set of one.
    ReplicaSet,
    /// As a single server: no transactions, no repeated writes.
    Standalone,
}

/// A server that can be stopped, killed and started again on the same port and data. Gone when dropped.
pub(crate) struct MongoServer {
    bin: PathBuf,
    port: u16,
    presents: Presents,
    child: Option<Child>,
    dir: TempDir,
}

/// What `scripts/setup-tests` installed, or what `GIGSY_TEST_SECANTUS_BIN` names.
pub(crate) fn installed() -> Option<PathBuf> {
    let named = std::env::var_os("GIGSY_TEST_SECANTUS_BIN").map(PathBuf::from);
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(".gigsy/test/mongo/bin/secantusd-py");
    named.into_iter().chain([ours]).find(|bin| bin.is_file())
}

/// Why a test is skipped.
pub(crate) const MISSING: &str = "scripts/setup-tests could not install SecantusDB";

/// The settings of tests: a database of its own, and a small tail that a few hundred batches fill.
pub(crate) fn config(url: &str) -> MongoConfig {
    MongoConfig { url: Some(url.to_owned()), tail_mib: 1, timeout_seconds: 10 }
}

impl MongoServer {
    /// Starts one.
    pub(crate) async fn start(bin: &Path, presents: Presents) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let dir = tempfile::Builder::new().prefix("gigsy-mongo-").tempdir().expect("a temporary directory");
        let mut this = Self { bin: bin.to_owned(), port, presents, child: None, dir };
        this.up().await;
        this
    }

    /// Starts it again.
    pub(crate) async fn up(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let mut command = Command::new(&self.bin);
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string(), "--cache-size", "128M"])
            // What it has acknowledged is on the disk, as with `j: true`.
            .args(["--log-level", "WARNING", "--sync-on-commit", "--storage-path"])
            .arg(self.dir.path().join("data"))
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        if self.presents == Presents::Standalone {
            command.arg("--standalone");
        }
        self.child = Some(command.spawn().expect("the server runs"));
        let address = ("127.0.0.1", self.port);
        eventually("the MongoDB-wire server answers", Duration::from_secs(60), || async {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
    }

    /// Stops it in order, or as if the power of its process went.
    pub(crate) fn down(&mut self, signal: Signal) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
        let _ = child.wait();
    }

    /// Stops it from running, or lets it run on: to its clients it does not answer.
    pub(crate) fn freeze(&self, frozen: bool) {
        let pid = self.child.as_ref().and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        let signal = if frozen { Signal::STOP } else { Signal::CONT };
        kill_process(pid.expect("it runs"), signal).expect("it is signalled");
    }

    /// `MONGODB_URL` of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("mongodb://127.0.0.1:{}/{database}", self.port)
    }

    /// A client of it.
    pub(crate) async fn open(&self, database: &str) -> Mongo {
        open(&self.url(database)).await
    }
}

/// A client of a deployment.
pub(crate) async fn open(url: &str) -> Mongo {
    Mongo::connect(&config(url)).await.expect("the URL is one").expect("it is set")
}

impl Drop for MongoServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            eprintln!("--- the MongoDB-wire server's last lines ---");
            log.lines().rev().take(20).collect::<Vec<_>>().iter().rev().for_each(|line| eprintln!("{line}"));
        }
        self.down(Signal::KILL);
    }
}
