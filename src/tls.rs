//! Outgoing TLS: rustls over ring, trusting what the machine trusts.

use std::{sync::Arc, time::Duration};

/// A client that calls others by HTTPS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up outgoing TLS: {0}")]
pub struct TlsError(String);

/// Whom the machine trusts; `SSL_CERT_FILE` replaces it. Empty where it trusts nobody.
pub fn roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// TLS for clients, trusting [`roots`].
///
/// # Errors
/// When the cryptography refuses the default protocol versions.
pub fn client() -> Result<rustls::ClientConfig, TlsError> {
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| TlsError(e.to_string()))?
            .with_root_certificates(roots())
            .with_no_client_auth();
    Ok(config)
}

/// An HTTP client over it that follows no redirect and gives up on a call after `deadline`.
///
/// # Errors
/// As [`client`].
pub fn http_client(deadline: Duration) -> Result<reqwest::Client, TlsError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(client()?)
        .redirect(reqwest::redirect::Policy::none())
        .timeout(deadline)
        .build()
        .map_err(|e| TlsError(e.to_string()))
}
