//! Debian's nginx with the configuration that production has: only ports, paths and the upstreams are
//! other ones.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{certificate::Certificate, sdk::root, wait::eventually};

/// A running nginx; gone when dropped.
pub struct Nginx {
    child: Child,
    dir: TempDir,
    /// Where it speaks TLS.
    pub https: SocketAddr,
    /// Where it does not.
    pub http: SocketAddr,
    /// Its certificate.
    pub certificate: Certificate,
}

/// Where nothing listens yet.
///
/// # Panics
/// When there is no such place.
pub fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

impl Nginx {
    /// Why there is none here, if so.
    pub fn missing() -> Option<&'static str> {
        if program().is_none() {
            return Some("no nginx (scripts/setup-tests)");
        }
        (!Certificate::can_be_made()).then_some("no openssl")
    }

    /// In front of `nodes`. `operators` is what `GIGSY_OPERATORS` holds.
    ///
    /// # Panics
    /// When nginx refuses the configuration.
    pub async fn start(nodes: &[SocketAddr], operators: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("gigsy-nginx-").tempdir().expect("a temporary directory");
        let path = dir.path();
        // Its workers are another user's processes when this is root.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permitted");
        let certificate = Certificate::make(path);
        // Where a renewal puts another one.
        fs::create_dir(path.join("tls")).expect("a directory");
        for (from, to) in [(&certificate.cert, "fullchain.pem"), (&certificate.key, "privkey.pem")] {
            fs::copy(from, path.join("tls").join(to)).expect("copied");
        }
        let (https, http) = (free_port(), free_port());
        for name in ["conf.d", "acme/.well-known/acme-challenge"] {
            fs::create_dir_all(path.join(name)).expect("a directory");
        }
        let place = path.to_str().expect("a plain path");

        let shipped = |name: &str| fs::read_to_string(root().join("nginx").join(name)).expect("shipped");
        let main = put(
            shipped("nginx.conf"),
            &[
                ("/dev/stderr", &format!("{place}/error.log")),
                ("/dev/stdout", &format!("{place}/access.log")),
                ("/var/run/nginx.pid", &format!("{place}/nginx.pid")),
                ("/etc/nginx/conf.d/", &format!("{place}/conf.d/")),
            ],
        );
        // As compose gives them to the image; `resolve` is for names, and newer than Debian's nginx.
        let upstreams: String =
            nodes.iter().map(|node| format!("server {node} max_fails=1 fail_timeout=2s; ")).collect();
        let site = put(
            shipped("templates/default.conf.template"),
            &[
                ("${GIGSY_UPSTREAMS}", &upstreams),
                ("${GIGSY_OPERATORS}", operators),
                ("${GIGSY_DOMAIN}", "localhost"),
                ("listen 80 ", &format!("listen {http} ")),
                ("listen 443 ", &format!("listen {https} ")),
                ("/etc/gigsy-tls/", &format!("{place}/tls/")),
                ("/var/www/acme", &format!("{place}/acme")),
            ],
        );
        let bodies: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|what| format!("{what}_temp_path {place}/temp-{what};\n"))
            .collect();
        for (name, text) in [
            ("nginx.conf", main),
            ("conf.d/gigsy.conf", site),
            ("conf.d/00-resolver.conf", shipped("resolver.conf")),
            ("conf.d/00-paths.conf", bodies),
        ] {
            fs::write(path.join(name), text).expect("written");
        }

        let checked = nginx(path).arg("-t").output().expect("nginx runs");
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && !said.contains("[warn]"), "nginx -t: {said}");
        let child = nginx(path)
            .args(["-g", "daemon off;"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(path.join("start.log")).expect("a file"))
            .spawn()
            .expect("nginx runs");
        let this = Self { child, dir, https, http, certificate };
        eventually("nginx listens", Duration::from_secs(20), || async {
            tokio::net::TcpStream::connect(this.https).await.ok()
        })
        .await;
        this
    }

    /// Where its certificate and key are.
    pub fn tls_dir(&self) -> PathBuf {
        self.dir.path().join("tls")
    }

    /// Whether the process that was started still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The program with the options that lead to this one's files.
    pub fn command_line(&self) -> String {
        let path = self.dir.path().display();
        format!("{} -p {path} -c {path}/nginx.conf", program().expect("it is installed").display())
    }

    /// Where the authority's challenges are served from.
    pub fn challenges(&self) -> PathBuf {
        self.dir.path().join("acme/.well-known/acme-challenge")
    }

    /// What it wrote of requests so far, one JSON object a line.
    pub fn access_log(&self) -> String {
        fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.dir.path().join("error.log")).unwrap_or_default();
            eprintln!("--- nginx ---\n{log}");
        }
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // The master ends its workers.
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Not in the PATH of those who are not root.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|dir| dir.join("nginx"))
        .find(|file| file.is_file())
}

fn nginx(dir: &Path) -> Command {
    let mut command = Command::new(program().expect("it is installed"));
    command.arg("-p").arg(dir).arg("-c").arg(dir.join("nginx.conf"));
    command
}

/// Replaces what must be there: a configuration that changed is not tested by halves.
fn put(mut text: String, replacements: &[(&str, &str)]) -> String {
    for (from, to) in replacements {
        assert!(text.contains(from), "the shipped configuration has no {from}");
        text = text.replace(from, to);
    }
    text
}
