//! Runs the published SDKs, unmodified, as clients: `src/tests/sdk/js/*.mjs` under Node.js with npm
//! `centrifuge`, `src/tests/sdk/py/*.py` with PyPI `centrifuge-python`.
//!
//! A scenario gets its fixture as one JSON argument. Where it needs something done to the server or
//! the network, it prints `@ask {"do": …}` and reads one line of JSON as the answer; the Rust test
//! does it. It ends with status 0, or says on standard error what was wrong.

use std::{
    future::Future,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

/// One scenario's longest time.
const LIMIT: Duration = Duration::from_secs(300);

/// Which SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// npm `centrifuge`.
    Js,
    /// PyPI `centrifuge-python`.
    Python,
}

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The virtual environment that `scripts/setup-tests` makes.
pub fn venv(program: &str) -> PathBuf {
    root().join(".gigsy/test/venv/bin").join(program)
}

/// Why Node.js or its packages cannot be used, if so.
pub fn node_missing() -> Option<String> {
    if !has_program("node") {
        return Some("there is no node in PATH".to_owned());
    }
    let package = root().join("src/tests/sdk/node_modules/centrifuge/package.json");
    (!package.is_file()).then(|| "the npm packages are not installed (scripts/setup-tests)".to_owned())
}

/// Whether `program` is somewhere in PATH.
pub fn has_program(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|d| d.join(program).is_file()))
}

impl Sdk {
    /// Why it cannot be used here, if so.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Js => node_missing(),
            Self::Python => (!venv("python").exists())
                .then(|| "the Python packages are not installed (scripts/setup-tests)".to_owned()),
        }
    }

    fn command(self, scenario: &str) -> Command {
        let dir = root().join("src/tests/sdk");
        match self {
            Self::Js => {
                let mut command = Command::new("node");
                command.arg(dir.join("js").join(format!("{scenario}.mjs")));
                command
            }
            Self::Python => {
                let mut command = Command::new(venv("python"));
                command.arg("-B").arg(dir.join("py").join(format!("{scenario}.py")));
                command
            }
        }
    }

    /// Runs a scenario; `act` does what it asks for and answers it.
    ///
    /// # Panics
    /// When the scenario fails or takes longer than [`LIMIT`].
    pub async fn run<F, Fut>(self, scenario: &str, fixture: &Value, act: F)
    where
        F: FnMut(Value) -> Fut,
        Fut: Future<Output = Value>,
    {
        self.run_with(&[], scenario, fixture, act).await;
    }

    /// As [`Sdk::run`], with these variables in its environment.
    ///
    /// # Panics
    /// As [`Sdk::run`].
    pub async fn run_with<F, Fut>(
        self,
        env: &[(&str, &std::ffi::OsStr)],
        scenario: &str,
        fixture: &Value,
        mut act: F,
    ) where
        F: FnMut(Value) -> Fut,
        Fut: Future<Output = Value>,
    {
        let mut child = self
            .command(scenario)
            .envs(env.iter().copied())
            .arg(fixture.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot run {self:?} {scenario}: {e}"));
        let mut stdin = child.stdin.take().expect("piped");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut stderr = child.stderr.take().expect("piped");
        let complaints = tokio::spawn(async move {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text).await;
            text
        });
        let mut said = Vec::new();
        let talk = async {
            while let Ok(Some(line)) = lines.next_line().await {
                let Some(question) = line.strip_prefix("@ask ") else {
                    said.push(line);
                    continue;
                };
                said.push(line.clone());
                let question = serde_json::from_str(question).expect("an @ask line holds JSON");
                let answer = act(question).await;
                let _ = stdin.write_all(format!("{answer}\n").as_bytes()).await;
            }
            child.wait().await
        };
        let ended = tokio::time::timeout(LIMIT, talk).await;
        let said_all = |said: &[String]| said.join("\n");
        match ended {
            Ok(Ok(status)) if status.success() => {}
            Ok(status) => {
                let complaints = complaints.await.unwrap_or_default();
                panic!("{self:?} {scenario}: {status:?}\n{}\n{complaints}", said_all(&said));
            }
            Err(_) => {
                let _ = child.kill().await;
                let complaints = complaints.await.unwrap_or_default();
                panic!("{self:?} {scenario}: not done within {LIMIT:?}\n{}\n{complaints}", said_all(&said));
            }
        }
    }
}
