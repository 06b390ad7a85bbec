//! A directory as on a VPS: the scripts, `.env`, and a `docker` whose containers are processes here.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::tests::support::{
    api::Api,
    sdk::root,
    server::{binary, scratch},
    wait::{eventually, within},
};

/// The nodes go when this is dropped.
pub struct Vps {
    dir: TempDir,
    nodes: Vec<(&'static str, SocketAddr)>,
    env: Vec<(String, String)>,
}

impl Vps {
    /// With these nodes, each started with `settings` besides its own.
    ///
    /// # Panics
    /// When files cannot be written.
    pub fn new(nodes: &[(&'static str, SocketAddr)], settings: &[(&str, String)]) -> Self {
        let dir = scratch();
        let place = dir.path();
        for name in ["bin", "state", "scripts"] {
            fs::create_dir(place.join(name)).expect("a directory");
        }
        for name in ["scripts/deploy", "scripts/backup", "scripts/restore", "docker-compose.prod.yml"] {
            fs::copy(root().join(name), place.join(name)).expect("copied");
        }
        fs::copy(root().join("src/tests/deploy/docker"), place.join("bin/docker")).expect("copied");
        fs::write(place.join(".env"), "GIGSY_DOMAIN=localhost\nGIGSY_TAG=v1\n").expect("written");
        for (name, at) in nodes {
            let own = [
                ("GIGSY_LISTEN", at.to_string()),
                ("GIGSY_DATA_DIR", place.join("state").join(name).join("data").display().to_string()),
            ];
            let all = own.iter().chain(settings).map(|(name, value)| format!("{name}={value}\n"));
            fs::write(place.join(format!("state/{name}.env")), all.collect::<String>()).expect("written");
        }
        let path = std::env::var("PATH").unwrap_or_default();
        let env = vec![
            ("PATH".to_owned(), format!("{}:{path}", place.join("bin").display())),
            ("STUB".to_owned(), place.join("state").display().to_string()),
            ("STUB_GIGSY".to_owned(), binary().display().to_string()),
        ];
        Self { dir, nodes: nodes.to_vec(), env }
    }

    /// Another variable for the scripts.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.env.push((name.to_owned(), value.into()));
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts every node and waits until it is ready.
    ///
    /// # Panics
    /// When one does not get ready.
    pub async fn up(&self) {
        let names: Vec<&str> = self.nodes.iter().map(|(name, _)| *name).collect();
        let arguments = [&["compose", "up", "-d"], names.as_slice()].concat();
        let done = self.run(Path::new("bin/docker"), &arguments).await;
        assert!(done.status.success(), "{}", said(&done));
        for (name, at) in &self.nodes {
            let api = Api::new(&format!("http://{at}"), None);
            eventually(&format!("{name} is ready: {}", self.log(name)), Duration::from_secs(60), || async {
                let answer = api.try_call("GET", "/readyz", None).await.ok()?;
                (answer.status == 200).then_some(())
            })
            .await;
        }
    }

    /// Runs one of the scripts to its end.
    ///
    /// # Panics
    /// When it takes longer than three minutes.
    pub async fn script(&self, name: &str, arguments: &[&str]) -> Output {
        self.run(&Path::new("scripts").join(name), arguments).await
    }

    async fn run(&self, program: &Path, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(self.dir.path().join(program));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null()).kill_on_drop(true);
        command.env_remove("CI").envs(self.env.iter().map(|(name, value)| (name, value)));
        let what = format!("{} {arguments:?}", program.display());
        within(&what, Duration::from_secs(180), command.output()).await.expect("it runs")
    }

    /// The process of a node.
    pub fn pid(&self, node: &str) -> Option<i32> {
        fs::read_to_string(self.path(&format!("state/{node}.pid"))).ok()?.trim().parse().ok()
    }

    /// The tag that a node was last started with.
    pub fn runs(&self, node: &str) -> String {
        let tag = fs::read_to_string(self.path(&format!("state/{node}.tag"))).unwrap_or_default();
        tag.trim().to_owned()
    }

    /// The tag in `.env`.
    pub fn tag(&self) -> String {
        let text = fs::read_to_string(self.path(".env")).expect("it is there");
        text.lines().find_map(|line| line.strip_prefix("GIGSY_TAG=")).unwrap_or_default().to_owned()
    }

    /// What the scripts said to docker, since the last call.
    pub fn calls(&self) -> Vec<String> {
        let path = self.path("state/calls");
        let text = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, "").expect("emptied");
        text.lines().map(str::to_owned).collect()
    }

    /// What a node printed.
    pub fn log(&self, node: &str) -> String {
        fs::read_to_string(self.path(&format!("state/{node}.log"))).unwrap_or_default()
    }
}

/// What a script printed.
pub fn said(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

impl Drop for Vps {
    fn drop(&mut self) {
        for (name, _) in &self.nodes {
            if std::thread::panicking() {
                let log = self.log(name);
                let tail: Vec<&str> = log.lines().rev().take(30).collect();
                eprintln!("--- {name} ---");
                tail.iter().rev().for_each(|line| eprintln!("{line}"));
            }
            let Some(pid) = self.pid(name) else { continue };
            // Never somebody else's process that has got the number since.
            let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if let Some(pid) = Pid::from_raw(pid).filter(|_| program.starts_with("gigsy")) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}
