//! A real mail server on loopback: PyPI `aiosmtpd`, whose handler keeps what it takes and misbehaves on
//! request (`smtp/server.py`).

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{
    certificate::Certificate,
    sdk::{root, venv},
};

/// A running mail server; ends with this value.
pub struct MailServer {
    child: Child,
    dir: TempDir,
    port: u16,
}

impl MailServer {
    /// Why there is none here, if so.
    pub fn missing() -> Option<String> {
        if !venv("python").exists() {
            return Some("the Python packages are not installed (scripts/setup-tests)".to_owned());
        }
        let found = fs::read_dir(root().join(".gigsy/test/venv/lib")).ok()?.flatten().next()?;
        let package = found.path().join("site-packages/aiosmtpd");
        (!package.is_dir()).then(|| "PyPI aiosmtpd is not installed (scripts/setup-tests)".to_owned())
    }

    /// Without TLS.
    pub fn plain() -> Self {
        Self::start(false)
    }

    /// That takes mail after STARTTLS only, with a certificate of an authority of its own ([`Self::ca`]).
    ///
    /// # Panics
    /// Without the `openssl` program.
    pub fn starttls() -> Self {
        Self::start(true)
    }

    /// Whether [`Self::starttls`] can be had.
    pub fn has_tls() -> bool {
        Certificate::can_be_made()
    }

    fn start(tls: bool) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(venv("python"));
        command.arg("-B").arg(root().join("src/tests/support/smtp/server.py")).arg(dir.path());
        if tls {
            let Certificate { cert, key } = Certificate::make(dir.path());
            command.arg(cert).arg(key);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the mail server runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("it says its port");
        let port = line.trim().parse().expect("a port");
        Self { child, dir, port }
    }

    /// `smtp://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The certificate to trust.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    /// How it behaves from now on: accept, fail, refuse, stall, deaf.
    pub fn behave(&self, mode: &str) {
        let beside = self.dir.path().join(".mode");
        fs::write(&beside, mode).expect("written");
        fs::rename(beside, self.dir.path().join("mode")).expect("renamed");
    }

    /// Everything it took, in order, as it came, with whom it was for on top.
    pub fn taken(&self) -> Vec<String> {
        let dir = self.dir.path().join("taken");
        let mut names: Vec<PathBuf> = fs::read_dir(dir)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        names.retain(|path| path.extension().is_some_and(|e| e == "eml"));
        names.sort();
        names.iter().map(|path| fs::read_to_string(path).expect("a mail")).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A header of a raw mail.
///
/// # Panics
/// When it has none of that name.
#[track_caller]
pub fn header<'a>(mail: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    match mail.lines().find_map(|line| line.strip_prefix(&prefix)) {
        Some(value) => value.trim_end(),
        None => panic!("no {name} in\n{mail}"),
    }
}
