//! A Redis server, started for one test on a port of its own, with its own folder.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wait::eventually;
use crate::{
    redis::{Redis, RedisSettings},
    telemetry::metrics::Metrics,
};

/// A server that can be stopped, killed, frozen and started again on the same port and folder. Gone
/// when dropped.
pub(crate) struct RedisServer {
    bin: PathBuf,
    port: u16,
    child: Option<Child>,
    args: Vec<String>,
    dir: TempDir,
}

/// `GIGSY_TEST_REDIS_BIN`, or the machine's own.
pub(crate) fn installed() -> Option<PathBuf> {
    let named = std::env::var_os("GIGSY_TEST_REDIS_BIN").map(PathBuf::from);
    let own = [PathBuf::from("redis-server"), PathBuf::from("/usr/bin/redis-server")];
    named.into_iter().chain(own).find(|bin| {
        Command::new(bin)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    })
}

/// Starts one, or leaves the test.
macro_rules! redis_or_skip {
    ($name:expr) => {
        match $crate::tests::support::redis::installed() {
            Some(bin) => $crate::tests::support::redis::RedisServer::start(&bin, &[]).await,
            None => $crate::tests::support::skip::skip!(store $name, "no redis-server"),
        }
    };
}
pub(crate) use redis_or_skip;

impl RedisServer {
    /// Starts one, with these settings besides.
    pub(crate) async fn start(bin: &Path, args: &[&str]) -> Self {
        let port = free_port();
        let dir = tempfile::Builder::new().prefix("gigsy-redis-").tempdir().expect("a temporary directory");
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut this = Self { bin: bin.to_owned(), port, child: None, args, dir };
        this.up().await;
        this
    }

    /// Starts it again. What it had is gone: nothing is written to disk.
    pub(crate) async fn up(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let child = Command::new(&self.bin)
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--enable-debug-command",
                "yes",
            ])
            .arg("--dir")
            .arg(self.dir.path())
            .arg("--port")
            .arg(self.port.to_string())
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server runs");
        self.child = Some(child);
        let address = ("127.0.0.1", self.port);
        eventually("the Redis server answers", Duration::from_secs(20), || async {
            tokio::net::TcpStream::connect(address).await.ok()
        })
        .await;
    }

    /// Stops it.
    pub(crate) fn down(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Freezes it: connections stay, nothing answers.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid =
            self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("it runs"), signal).expect("the signal is sent");
    }

    /// `REDIS_URL`.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A client, connected, whose keys begin with `prefix`.
    pub(crate) async fn client(&self, prefix: &str) -> Redis {
        client(&self.url(), prefix, Duration::from_millis(1_000)).await
    }

    /// Runs one command, past the code under test.
    pub(crate) async fn command<T: ::redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let client = ::redis::Client::open(self.url()).expect("a URL");
        let mut conn = client.get_multiplexed_async_connection().await.expect("it answers");
        let mut cmd = ::redis::Cmd::new();
        cmd.arg(words);
        cmd.query_async(&mut conn).await.expect("it is done")
    }
}

/// A client of what answers at `url`, connected.
pub(crate) async fn client(url: &str, prefix: &str, timeout: Duration) -> Redis {
    let settings = RedisSettings { url: url.parse().expect("a URL"), prefix: prefix.to_owned(), timeout };
    let redis = Redis::start(settings, &Metrics::new()).expect("a client");
    assert!(redis.wait_connected(Duration::from_secs(20)).await, "it does not answer");
    redis
}

/// Settings of a server under test that keep it apart from all others on the Redis that
/// `GIGSY_TEST_REDIS_URL` names; none without it.
pub(crate) fn of_the_suite() -> Vec<(String, String)> {
    let Ok(url) = std::env::var("GIGSY_TEST_REDIS_URL") else { return Vec::new() };
    let prefix = format!("t{}", uuid::Uuid::now_v7().simple());
    // A busy machine must not look like a dead server.
    let settings =
        [("REDIS_URL", url), ("GIGSY_REDIS_PREFIX", prefix), ("GIGSY_REDIS_TIMEOUT_MS", "2000".into())];
    settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a free port").port()
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.thaw();
        }
        self.down();
    }
}
