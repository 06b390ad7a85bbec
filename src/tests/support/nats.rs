//! A NATS server with JetStream, started for one test on a port of its own, with its own store.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use url::Url;

use super::wait::eventually;

/// A server that can be stopped, killed and started again on the same port and store. Gone when
/// dropped.
pub(crate) struct NatsServer {
    bin: PathBuf,
    port: u16,
    child: Option<Child>,
    dir: TempDir,
}

/// `GIGSY_TEST_NATS_BIN`, what `scripts/setup-tests` unpacked, or the machine's own if it is 2.10 or
/// later.
pub(crate) fn installed() -> Option<PathBuf> {
    let named = std::env::var_os("GIGSY_TEST_NATS_BIN").map(PathBuf::from);
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join(".gigsy/test/nats-server");
    named.into_iter().chain([unpacked, PathBuf::from("nats-server")]).find(|bin| is_recent(bin))
}

fn is_recent(bin: &Path) -> bool {
    let Ok(said) = Command::new(bin).arg("--version").output() else { return false };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let Some(version) = said.split('v').next_back() else { return false };
    let mut numbers = version.trim().split('.').map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(10))
}

impl NatsServer {
    /// Starts one.
    pub(crate) async fn start(bin: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let dir = tempfile::Builder::new().prefix("gigsy-nats-").tempdir().expect("a temporary directory");
        let mut this = Self { bin: bin.to_owned(), port, child: None, dir };
        this.up().await;
        this
    }

    /// Starts it again.
    pub(crate) async fn up(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let child = Command::new(&self.bin)
            .args(["--addr", "127.0.0.1", "--jetstream", "--port"])
            .arg(self.port.to_string())
            .arg("--store_dir")
            .arg(self.dir.path().join("store"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server runs");
        self.child = Some(child);
        let address = ("127.0.0.1", self.port);
        eventually("the NATS server answers", Duration::from_secs(20), || async {
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

    /// Throws away all that it has stored; it must be down.
    pub(crate) fn wipe(&mut self) {
        assert!(self.child.is_none(), "it runs");
        std::fs::remove_dir_all(self.dir.path().join("store")).expect("the store is removed");
    }

    /// `NATS_URL`.
    pub(crate) fn url(&self) -> Url {
        format!("nats://127.0.0.1:{}", self.port).parse().expect("a URL")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.down(Signal::KILL);
    }
}
