//! The peers: programs of `benches/peers`, started on a port of their own choice and stopped after.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::gigsy::Gigsy;
use crate::kit::process::Process;
use crate::kit::{Outcome, fail, usage};
use crate::speech::{Speech, Way};
use crate::system::{Processes, System};

/// With which the tokens of peers are signed.
const SECRET: &str = "a secret of this benchmark alone";

/// What runs a peer's program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    Node,
    Bun,
    Binary,
}

/// A peer.
pub struct Peer {
    name: &'static str,
    speech: Speech,
    runs: Runs,
    program: &'static str,
    version: String,
    /// Dropped before what it keeps rows and history in.
    running: Option<(Process, SocketAddr)>,
    /// Rows (NestJS): a Gigsy that does nothing but keep a private PostgreSQL, of the same version and with
    /// the same settings as the one that Gigsy itself uses.
    rows: Option<Gigsy>,
    /// History (centrifuge): a Redis.
    redis: Option<(Process, u16)>,
    keeps: bool,
    port: Option<u16>,
    folder: Option<tempfile::TempDir>,
}

/// The names of all peers.
pub const NAMES: [&str; 6] = ["bun", "centrifuge", "nats", "nestjs", "socket.io", "ws"];

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn peers() -> PathBuf {
    repository().join("benches/peers")
}

/// The version of an npm package that is installed.
pub fn npm_version(package: &str) -> Option<String> {
    let path = peers().join("node_modules").join(package).join("package.json");
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(path).ok()?).ok()?;
    manifest["version"].as_str().map(str::to_owned)
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

impl Peer {
    /// The peer of this name.
    ///
    /// # Errors
    /// Why it cannot be had here.
    pub fn named(name: &str) -> Outcome<Self> {
        let npm = |package: &str| match (npm_version(package), on_path("node")) {
            (Some(version), Some(_)) => Ok(version),
            (None, _) => Err(format!("{package} is not installed: scripts/setup-bench")),
            (_, None) => Err("there is no Node.js".to_owned()),
        };
        let binary = |path: PathBuf| match path.is_file() {
            true => Ok(()),
            false => Err(format!("{} is not there: scripts/setup-bench", path.display())),
        };
        let of = |name, speech, runs, program, version| Self {
            name,
            speech,
            runs,
            program,
            version,
            rows: None,
            redis: None,
            keeps: false,
            running: None,
            port: None,
            folder: None,
        };
        Ok(match name {
            "ws" => of("ws", Speech::Text, Runs::Node, "ws.mjs", npm("ws")?),
            "socket.io" => of("socket.io", Speech::SocketIo, Runs::Node, "socketio.mjs", npm("socket.io")?),
            "nestjs" => of("nestjs", Speech::Nest, Runs::Node, "nest.mjs", npm("@nestjs/platform-ws")?),
            "bun" => {
                binary(peers().join("node_modules/@oven/bun-linux-x64/bin/bun"))?;
                of("bun", Speech::Text, Runs::Bun, "bun.mjs", npm("@oven/bun-linux-x64")?)
            }
            "centrifuge" => {
                binary(repository().join(".gigsy/bench/bin/centrifuge"))?;
                let version = go_version().unwrap_or_default();
                of("centrifuge", Speech::Centrifuge, Runs::Binary, ".gigsy/bench/bin/centrifuge", version)
            }
            "nats" => {
                let path = repository().join(".gigsy/test/nats-server");
                binary(path.clone())?;
                let out = std::process::Command::new(path).arg("--version").output()?;
                let text = String::from_utf8_lossy(&out.stdout).into_owned();
                let version = text.trim().rsplit(" v").next().unwrap_or_default().to_owned();
                of("nats", Speech::Nats, Runs::Binary, ".gigsy/test/nats-server", version)
            }
            other => return fail(format!("there is no peer {other}: {}", NAMES.join(", "))),
        })
    }

    /// Lets it keep what is published: NestJS in PostgreSQL, centrifuge in Redis.
    pub fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Where rows are kept, as `pg` takes it.
    fn rows(&mut self) -> Outcome<Option<String>> {
        if !self.keeps || self.speech != Speech::Nest {
            return Ok(None);
        }
        if self.rows.is_none() {
            let mut keeper = Gigsy::new("gigsy")?;
            keeper.start()?;
            self.rows = Some(keeper);
        }
        let Some(keeper) = &self.rows else { return fail("no PostgreSQL") };
        Ok(Some(keeper.postgres_url()?))
    }

    fn history(&mut self) -> Outcome<Option<String>> {
        if !self.keeps || self.speech != Speech::Centrifuge {
            return Ok(None);
        }
        if self.redis.is_none() {
            let Some(program) = on_path("redis-server") else { return fail("there is no redis-server") };
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let text = port.to_string();
            let args = ["--port", &text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
            let process = Process::program(&program, &args, |_| {})?;
            let until = Instant::now() + Duration::from_secs(10);
            while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
                if Instant::now() > until {
                    return fail("redis-server does not start");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            self.redis = Some((process, port));
        }
        Ok(self.redis.as_ref().map(|(_, port)| format!("127.0.0.1:{port}")))
    }

    fn command(&mut self) -> Outcome<(PathBuf, Vec<String>)> {
        let program = || peers().join(self.program).display().to_string();
        Ok(match self.runs {
            Runs::Node => {
                let Some(node) = on_path("node") else { return fail("there is no Node.js") };
                (node, vec![program()])
            }
            Runs::Bun => (peers().join("node_modules/@oven/bun-linux-x64/bin/bun"), vec![program()]),
            Runs::Binary if self.speech == Speech::Nats => {
                let (path, port) = (repository().join(self.program), self.free_port()?);
                let client = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
                let folder = tempfile::tempdir()?;
                let config = folder.path().join("nats.conf");
                std::fs::write(
                    &config,
                    format!(
                        "listen: 127.0.0.1:{client}\nmax_connections: 100000\n\
                         authorization {{ token: \"{SECRET}\" }}\n\
                         websocket {{ listen: \"127.0.0.1:{port}\", no_tls: true }}\n"
                    ),
                )?;
                self.folder = Some(folder);
                (path, vec!["-c".to_owned(), config.display().to_string()])
            }
            Runs::Binary => (repository().join(self.program), Vec::new()),
        })
    }

    /// A port that is kept over restarts.
    fn free_port(&mut self) -> Outcome<u16> {
        let port = match self.port {
            Some(port) => port,
            None => TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
        };
        self.port = Some(port);
        Ok(port)
    }
}

impl System for Peer {
    fn name(&self) -> &'static str {
        self.name
    }

    fn version(&self) -> String {
        self.version.clone()
    }

    fn speech(&self) -> Speech {
        self.speech
    }

    fn way(&self, kept: bool) -> Option<Way> {
        match (kept, self.speech) {
            (false, _) | (true, Speech::Centrifuge) => Some(Way::Publish),
            (true, Speech::Nest) => Some(Way::Say),
            _ => None,
        }
    }

    fn recovers(&self) -> bool {
        self.keeps && self.speech == Speech::Centrifuge
    }

    fn start(&mut self) -> Outcome<()> {
        let (rows, history) = (self.rows()?, self.history()?);
        let (program, args) = self.command()?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let port = if self.speech == Speech::Centrifuge { self.free_port()? } else { 0 };
        let mut process = Process::program(&program, &args, |command| {
            command.env("SECRET", SECRET).env("NODE_ENV", "production").env("PORT", port.to_string());
            command.env_remove("PG").env_remove("REDIS").env_remove("NODE_OPTIONS");
            command.envs(rows.map(|url| ("PG", url))).envs(history.map(|address| ("REDIS", address)));
            if self.speech == Speech::Nats {
                command.stderr(std::process::Stdio::null());
            }
        })?;
        let until = Instant::now() + Duration::from_secs(30);
        let address = if self.speech == Speech::Nats {
            let address = SocketAddr::from(([127, 0, 0, 1], self.port.unwrap_or_default()));
            while std::net::TcpStream::connect(address).is_err() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            address
        } else {
            let Some(line) = process.line(Duration::from_secs(30))? else {
                return fail(format!("{} does not start", self.name));
            };
            let port = line.strip_prefix("ready ").and_then(|port| port.parse().ok());
            let Some(port) = port else { return fail(format!("{} said {line}", self.name)) };
            SocketAddr::from(([127, 0, 0, 1], port))
        };
        self.running = Some((process, address));
        Ok(())
    }

    fn processes(&self) -> Outcome<Processes> {
        let Some((process, _)) = &self.running else { return fail(format!("{} does not run", self.name)) };
        let mut server = vec![process.id()];
        server.extend(usage::descendants(process.id()));
        let mut helpers = Vec::new();
        if let Some(rows) = &self.rows {
            helpers.extend(rows.processes()?.helpers);
        }
        helpers.extend(self.redis.as_ref().map(|(process, _)| process.id()));
        Ok(Processes { server, helpers })
    }

    fn address(&self) -> Outcome<SocketAddr> {
        match &self.running {
            Some((_, address)) => Ok(*address),
            None => fail(format!("{} does not run", self.name)),
        }
    }

    fn rooms(&mut self, count: usize, kept: bool) -> Outcome<Vec<String>> {
        let prefix = if kept && self.speech == Speech::Centrifuge { "chat:" } else { "" };
        Ok((0..count).map(|n| format!("{prefix}room-{n}")).collect())
    }

    fn tokens(&self, count: usize) -> Outcome<Vec<String>> {
        if self.speech == Speech::Nats {
            return Ok(vec![SECRET.to_owned()]);
        }
        (0..count).map(token).collect()
    }

    fn ask_to_stop(&mut self) -> Outcome<()> {
        match &self.running {
            Some((process, _)) => process.signal(rustix::process::Signal::TERM),
            None => fail(format!("{} does not run", self.name)),
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
    }
}

/// A JWT (HS256) of the `n`th person.
fn token(n: usize) -> Outcome<String> {
    let expires = chrono::Utc::now().timestamp() + 86_400;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!(
        "{}.{}",
        part(json!({"alg": "HS256", "typ": "JWT"})),
        part(json!({"sub": n.to_string(), "exp": expires}))
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    mac.update(text.as_bytes());
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

/// The version of the centrifuge library that the peer is built with.
fn go_version() -> Option<String> {
    let manifest = std::fs::read_to_string(peers().join("centrifuge/go.mod")).ok()?;
    let line = manifest.lines().find(|line| line.contains("centrifugal/centrifuge v"))?;
    Some(line.rsplit(" v").next()?.trim().to_owned())
}
