//! `DATABASE_URL` to connection settings: `sslmode` and `sslrootcert` as libpq reads them.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::OpenError;

/// Where and how to connect.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) config: tokio_postgres::Config,
    pub(crate) tls: MakeRustlsConnect,
    /// Host and database, fit for logs.
    pub(crate) place: String,
}

impl Target {
    /// Reads a `postgres://` URL. A socket directory comes as `postgres:///db?host=/dir&user=name`.
    pub(crate) fn parse(url: &Url) -> Result<Self, OpenError> {
        let (mut mode, mut roots) = (None, None);
        let mut rest = url.clone();
        // The pairs that tokio-postgres does not know are taken out; the others stay as written,
        // because it does not read `+` as a blank, as re-encoding would write one.
        let kept: Vec<&str> = url
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| match pair.split_once('=') {
                Some(("sslmode", value)) => {
                    mode = Some(value.to_owned());
                    false
                }
                Some(("sslrootcert", value)) => {
                    roots = Some(decode(value));
                    false
                }
                _ => !pair.is_empty(),
            })
            .collect();
        rest.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
        // tokio-postgres reads the part after `//` itself and is content with an empty host.
        let mut config: tokio_postgres::Config =
            rest.as_str().parse().map_err(|e: tokio_postgres::Error| OpenError::Url(chain(&e)))?;
        if config.get_hosts().is_empty() {
            return Err(OpenError::Url("names no host; a socket directory goes into ?host=/dir".into()));
        }

        let verify = match mode.as_deref() {
            None | Some("prefer" | "allow") => {
                config.ssl_mode(SslMode::Prefer);
                roots.is_some()
            }
            Some("disable") => {
                config.ssl_mode(SslMode::Disable);
                false
            }
            // libpq's rule: `require` encrypts, and verifies as soon as it knows whom to trust.
            Some("require") => {
                config.ssl_mode(SslMode::Require);
                roots.is_some()
            }
            Some("verify-ca" | "verify-full") => {
                config.ssl_mode(SslMode::Require);
                true
            }
            Some(other) => {
                return Err(OpenError::Url(format!(
                    "sslmode={other} is none of disable, prefer, require, verify-ca, verify-full"
                )));
            }
        };
        if config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_))) {
            config.ssl_mode(SslMode::Disable);
        }
        if config.get_application_name().is_none() {
            config.application_name("gigsy");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(5));
        }
        if config.get_tcp_user_timeout().is_none() {
            // A server that vanished without a word is noticed in seconds, not in the kernel's hours.
            config.tcp_user_timeout(Duration::from_secs(10));
            config.keepalives_idle(Duration::from_secs(10));
            config.keepalives_interval(Duration::from_secs(3));
            config.keepalives_retries(3);
        }
        let tls = MakeRustlsConnect::new(tls(verify, roots.as_deref().map(Path::new))?);
        let place = place(&config);
        Ok(Self { config, tls, place })
    }
}

fn place(config: &tokio_postgres::Config) -> String {
    let host = config.get_hosts().first().map_or_else(String::new, |host| match host {
        Host::Tcp(name) => format!("{name}:{}", config.get_ports().first().copied().unwrap_or(5432)),
        Host::Unix(dir) => dir.display().to_string(),
    });
    format!("{host}/{}", config.get_dbname().unwrap_or_default())
}

fn decode(text: &str) -> String {
    url::form_urlencoded::parse(format!("x={text}").as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// What lies behind an error that shows callers nothing of the inside; for operators.
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    chain(error.source().unwrap_or(error))
}

/// An error and what lies behind it, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn tls(verify: bool, root_file: Option<&Path>) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| OpenError::System(e.to_string()))?;
    if !verify {
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified(provider)));
        return Ok(builder.with_no_client_auth());
    }
    let roots = if let Some(path) = root_file {
        let mut roots = RootCertStore::empty();
        let bad = |e: &dyn std::fmt::Display| OpenError::Url(format!("sslrootcert {}: {e}", path.display()));
        for cert in CertificateDer::pem_file_iter(path).map_err(|e| bad(&e))? {
            roots.add(cert.map_err(|e| bad(&e))?).map_err(|e| bad(&e))?;
        }
        roots
    } else {
        crate::tls::roots()
    };
    if roots.is_empty() {
        return Err(OpenError::Url(
            "no trusted certificate to verify the server with; set sslrootcert".into(),
        ));
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// What `sslmode=prefer` and `require` mean in libpq: encrypted, but to whomever answers. Debian's
/// packaged servers carry a self-signed certificate and would be out of reach otherwise.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, String> {
        Target::parse(&text.parse().unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_socket_directory_comes_as_a_parameter() {
        for text in [
            "postgres:///gigsy?host=/run/pg&user=me&port=6000",
            "postgres:///gigsy?host=%2Frun%2Fpg&user=me&port=6000",
        ] {
            let target = parse(text).unwrap();
            assert_eq!(target.config.get_hosts(), [Host::Unix("/run/pg".into())]);
            assert_eq!(target.config.get_user(), Some("me"));
            assert_eq!(target.config.get_dbname(), Some("gigsy"));
            assert_eq!(target.place, "/run/pg/gigsy");
        }
    }

    #[test]
    fn sslmode_has_libpqs_names() {
        for (mode, expected) in [
            ("disable", SslMode::Disable),
            ("prefer", SslMode::Prefer),
            ("require", SslMode::Require),
            ("verify-full", SslMode::Require),
        ] {
            let target = parse(&format!("postgres://u:p@db.example/x?sslmode={mode}")).unwrap();
            assert_eq!(target.config.get_ssl_mode(), expected, "{mode}");
        }
        for (text, word) in [
            ("postgres://u@h/x?sslmode=maybe", "sslmode=maybe"),
            ("postgres://u@h/x?sslmode=require&sslrootcert=/nowhere", "sslrootcert /nowhere"),
            ("postgres://u@h/x?frobnicate=1", "frobnicate"),
            ("postgres:///x", "host"),
        ] {
            let said = parse(text).err().unwrap();
            assert!(said.starts_with("DATABASE_URL: ") && said.contains(word), "{said}");
        }
    }

    #[test]
    fn the_place_holds_no_secret() {
        let target = parse("postgres://u:hush@db.example:5433/x").unwrap();
        assert_eq!(target.place, "db.example:5433/x");
    }
}
