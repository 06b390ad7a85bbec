//! A throw-away certificate for `localhost`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::sdk::has_program;

/// Where certificate and key lie. The certificate signs itself: who trusts it, trusts its server.
#[derive(Clone)]
pub struct Certificate {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl Certificate {
    /// Whether one can be made here.
    pub fn can_be_made() -> bool {
        has_program("openssl")
    }

    /// Makes `cert.pem` and `key.pem` in `dir`.
    ///
    /// # Panics
    /// Without the `openssl` program.
    pub fn make(dir: &Path) -> Self {
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert)
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { cert, key }
    }
}
