//! A client over TLS that trusts one certificate, comes from an address of one's choice, and never tries
//! anything twice.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use reqwest::header::HeaderMap;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use serde_json::Value;

/// Calls one server by the name `localhost`.
#[derive(Clone)]
pub struct Https {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
}

impl Reply {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; `Null` if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The JSON body of an answer that must have `status`.
    ///
    /// # Panics
    /// On another status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }

    /// Asserts an RFC 9457 problem.
    ///
    /// # Panics
    /// When it is none, or of another status.
    #[track_caller]
    pub fn expect_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text);
        let body = self.json();
        assert_eq!(body["status"], status, "{}", self.text);
        for member in ["type", "title", "detail", "correlation_id"] {
            assert!(body[member].is_string(), "no {member}: {}", self.text);
        }
    }
}

/// TLS for a client that trusts the certificate in `cert` and nobody else.
///
/// # Panics
/// When there is none.
pub fn trusting(cert: &Path, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).expect("a certificate")).expect("it can be trusted");
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

impl Https {
    /// For what listens at `at` with the certificate in `cert`; connections come from `from`.
    ///
    /// # Panics
    /// When the client cannot be made.
    pub fn new(at: SocketAddr, cert: &Path, from: [u8; 4]) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(trusting(cert, rustls::DEFAULT_VERSIONS))
            .resolve("localhost", at)
            .local_address(IpAddr::from(from))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        Self { client, base: format!("https://localhost:{}", at.port()), token: None }
    }

    /// The same for somebody signed in.
    pub fn as_session(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same without TLS: past a proxy, straight to what is behind it.
    pub fn plain(&self) -> Self {
        Self { base: self.base.replacen("https:", "http:", 1), ..self.clone() }
    }

    /// `https://localhost:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends one request, once. `Err` is a transport failure. A path may also be a whole URL.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let method = reqwest::Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|e| format!("{e:?}"))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.map_err(|e| format!("{e:?}"))?;
        Ok(Reply { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() })
    }

    /// `GET path`, answered.
    ///
    /// # Panics
    /// On a transport failure.
    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], None).await.unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// `POST path`, answered.
    ///
    /// # Panics
    /// On a transport failure.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, &[], Some(body)).await.unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }
}
