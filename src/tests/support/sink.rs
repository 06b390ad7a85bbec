//! A log service and a collector of traces on loopback: takes batches over HTTPS, and fails or stalls when it is told to.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tempfile::TempDir;

use super::certificate::Certificate;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Behaviour {
    /// 202.
    Take,
    /// 500.
    Fail,
    /// Takes the request and never answers.
    Stall,
}

/// A running sink.
pub struct Sink {
    shared: Arc<Shared>,
    at: SocketAddr,
    /// What to trust.
    pub certificate: Certificate,
    _dir: TempDir,
}

#[derive(Default)]
struct Shared {
    behaviour: AtomicU8,
    /// Calls that are being stalled now.
    stalled: AtomicUsize,
    /// Calls that were ever stalled.
    stalls: AtomicUsize,
    failures: AtomicUsize,
    taken: Mutex<Vec<Value>>,
    /// What was no list of entries, with the path it came to.
    documents: Mutex<Vec<(String, Value)>>,
    /// What is wrong with calls that came.
    wrong: Mutex<Vec<String>>,
}

/// The token that calls must bear.
pub const TOKEN: &str = "a-source-token";

impl Sink {
    /// Starts one that takes everything.
    ///
    /// # Panics
    /// Without the `openssl` program.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let certificate = Certificate::make(dir.path());
        let chain = vec![CertificateDer::from_pem_file(&certificate.cert).expect("a certificate")];
        let key = PrivateKeyDer::from_pem_file(&certificate.key).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they fit");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        // Ends with the process: an accept is not worth interrupting.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, shared) = (config.clone(), theirs.clone());
                thread::spawn(move || {
                    let _ = serve(stream, config, &shared);
                });
            }
        });
        Self { shared, at, certificate, _dir: dir }
    }

    /// What `LOGTAIL_URL` is set to.
    pub fn url(&self) -> String {
        format!("https://localhost:{}/", self.at.port())
    }

    /// From the next call on, and for those that are stalled now.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared.behaviour.store(behaviour as u8, SeqCst);
    }

    /// Calls that wait for an answer now, and calls that ever did in vain.
    pub fn stalled(&self) -> (usize, usize) {
        (self.shared.stalled.load(SeqCst), self.shared.stalls.load(SeqCst))
    }

    /// Calls that were answered with 500.
    pub fn failures(&self) -> usize {
        self.shared.failures.load(SeqCst)
    }

    /// Every entry that it took.
    pub fn taken(&self) -> Vec<Value> {
        self.shared.taken.lock().expect("no panic").clone()
    }

    /// Every document that it took, with its path.
    pub fn documents(&self) -> Vec<(String, Value)> {
        self.shared.documents.lock().expect("no panic").clone()
    }

    /// The correlation ids that begin with `prefix` among what it took.
    pub fn ids(&self, prefix: &str) -> HashSet<String> {
        let taken = self.shared.taken.lock().expect("no panic");
        let ids = taken.iter().filter_map(|entry| entry["correlation_id"].as_str());
        ids.filter(|id| id.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// What was wrong with calls.
    pub fn wrong(&self) -> Vec<String> {
        self.shared.wrong.lock().expect("no panic").clone()
    }
}

impl Shared {
    fn is(&self, behaviour: Behaviour) -> bool {
        self.behaviour.load(SeqCst) == behaviour as u8
    }

    fn take(&self, body: &[u8], headers: &[String]) {
        let has = |wanted: &str| headers.iter().any(|line| line.eq_ignore_ascii_case(wanted));
        let mut wrong = Vec::new();
        if !has(&format!("authorization: Bearer {TOKEN}")) || !has("content-type: application/json") {
            wrong.push(format!("headers: {headers:?}"));
        }
        if let Ok(document @ Value::Object(_)) = serde_json::from_slice(body) {
            // Traces come as one document a call.
            let path = headers[0].split(' ').nth(1).unwrap_or_default();
            self.documents.lock().expect("no panic").push((path.to_owned(), document));
            return self.wrong.lock().expect("no panic").extend(wrong);
        }
        match serde_json::from_slice::<Vec<Value>>(body) {
            Ok(entries) => {
                let whole = |entry: &Value| entry["dt"].is_string() && entry["message"].is_string();
                wrong.extend(entries.iter().filter(|e| !whole(e)).map(Value::to_string));
                self.taken.lock().expect("no panic").extend(entries);
            }
            Err(error) => wrong.push(format!("{error} in {}", String::from_utf8_lossy(body))),
        }
        self.wrong.lock().expect("no panic").extend(wrong);
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    let session = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut reader = BufReader::new(StreamOwned::new(session, stream));
    loop {
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim().is_empty() {
                break;
            }
            headers.push(line.trim().to_owned());
        }
        let length = headers
            .iter()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        if shared.is(Behaviour::Stall) {
            shared.stalled.fetch_add(1, SeqCst);
            shared.stalls.fetch_add(1, SeqCst);
            while shared.is(Behaviour::Stall) {
                thread::sleep(Duration::from_millis(10));
            }
            shared.stalled.fetch_sub(1, SeqCst);
            // Gone without an answer.
            return Ok(());
        }
        let status = if shared.is(Behaviour::Fail) {
            shared.failures.fetch_add(1, SeqCst);
            "500 Internal Server Error"
        } else {
            shared.take(&body, &headers);
            "202 Accepted"
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes())?;
        reader.get_mut().flush()?;
    }
}
