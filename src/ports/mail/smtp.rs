//! Mail over SMTP (RFC 5321), by `lettre`: `SMTP_URL`.
//!
//! `smtp://` asks for STARTTLS, and refuses a server without it unless that is on this machine;
//! `?tls=none`, `?tls=opportunistic` or `?tls=required` says it outright. `smtps://` is TLS from the
//! first byte. Each mail has a connection of its own: a server that hangs up idle clients, or takes so
//! many mails of one, is then no matter.

use std::{fs, io, path::PathBuf, time::Duration, time::Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::client::{Certificate, Tls, TlsParameters},
};
use url::{Host, Url};

use super::{Letter, Mail, MailError, Sender, rfc5322};
use crate::{
    ports::{Mode, Store, StoreStatus},
    telemetry::log,
};

/// How a server is reached.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// `SMTP_URL`.
    pub url: Url,
    /// A PEM file with an authority to trust besides the system's.
    pub ca: Option<PathBuf>,
    /// How long handing one mail over may take, all in all.
    pub timeout: Duration,
    /// Whom mails come from.
    pub sender: Sender,
}

/// Why a mail server cannot be used at all; names the setting.
#[derive(Debug, thiserror::Error)]
pub enum SmtpSetupError {
    /// The URL.
    #[error("SMTP_URL: {0}")]
    Url(String),
    /// The authority's file.
    #[error("GIGSY_SMTP_CA: {0}")]
    Ca(String),
}

/// A mail server. Cheap to clone.
#[derive(Clone)]
pub struct SmtpMail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    sender: Sender,
    timeout: Duration,
    /// Host, port and how it is secured; fit for logs.
    place: String,
}

/// How a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    None,
    Opportunistic,
    Required,
    Wrapped,
}

impl Security {
    fn of(url: &Url) -> Result<Self, String> {
        let asked = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        if let Some((other, _)) = url.query_pairs().find(|(name, _)| name != "tls") {
            return Err(format!("has an unknown parameter {other:?}"));
        }
        if url.scheme() == "smtps" {
            return match asked {
                None => Ok(Self::Wrapped),
                Some(_) => Err("takes no ?tls= with smtps://, which is TLS from the first byte".into()),
            };
        }
        match asked.as_deref() {
            None if on_this_machine(url) => Ok(Self::Opportunistic),
            None | Some("required") => Ok(Self::Required),
            Some("opportunistic") => Ok(Self::Opportunistic),
            Some("none") => Ok(Self::None),
            Some(_) => Err("takes ?tls=none, opportunistic or required".into()),
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            // RFC 6409, RFC 8314.
            Self::Opportunistic | Self::Required => 587,
            Self::Wrapped => 465,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::None => "not encrypted",
            Self::Opportunistic => "STARTTLS where offered",
            Self::Required => "STARTTLS",
            Self::Wrapped => "TLS",
        }
    }
}

fn on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // A scheme that browsers do not know leaves addresses as names.
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        None => false,
    }
}

impl SmtpMail {
    /// A server to hand mails to. Nothing is connected yet.
    ///
    /// # Errors
    /// [`SmtpSetupError`] names the setting that cannot be used.
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpSetupError> {
        let SmtpSettings { url, ca, timeout, sender } = settings;
        let host = url.host_str().ok_or_else(|| SmtpSetupError::Url("names no host".into()))?.to_owned();
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let security = Security::of(&url).map_err(SmtpSetupError::Url)?;
        let port = url.port().unwrap_or(security.port());
        let mut tls = TlsParameters::builder(host.clone());
        if let Some(path) = ca {
            let told = |e: String| SmtpSetupError::Ca(format!("{}: {e}", path.display()));
            let pem = fs::read(&path).map_err(|e| told(e.to_string()))?;
            tls = tls.add_root_certificate(Certificate::from_pem(&pem).map_err(|e| told(e.to_string()))?);
        }
        let tls = tls.build_rustls().map_err(|e| SmtpSetupError::Ca(e.to_string()))?;
        let mut bare = url.clone();
        bare.set_query(None);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(bare.as_str())
            .map_err(|e| SmtpSetupError::Url(e.to_string()))?;
        let transport = builder
            .port(port)
            .tls(match security {
                Security::None => Tls::None,
                Security::Opportunistic => Tls::Opportunistic(tls),
                Security::Required => Tls::Required(tls),
                Security::Wrapped => Tls::Wrapper(tls),
            })
            .timeout(Some(timeout))
            .build();
        let place = format!("{host}:{port}, {}", security.words());
        Ok(Self { transport, sender, timeout, place })
    }

    /// Host, port and how it is secured; fit for logs.
    pub fn place(&self) -> &str {
        &self.place
    }
}

/// Whether the server will never take this mail. What it says of *us* (sign in, use TLS) is for the
/// operator to mend, and the mail waits.
fn for_good(error: &lettre::transport::smtp::Error) -> bool {
    let code = error.status().map(u16::from);
    error.is_permanent() && !matches!(code, Some(500..=504 | 530 | 534 | 535 | 538))
}

#[async_trait]
impl Mail for SmtpMail {
    async fn send(&self, letter: Letter) -> Result<(), MailError> {
        let message = rfc5322::compose(&letter, &self.sender)?;
        match tokio::time::timeout(self.timeout, self.transport.send(message)).await {
            Ok(Ok(_)) => {
                slog::info!(log(), "mail handed over"; "subject" => letter.subject, "mail" => %letter.id);
                Ok(())
            }
            Ok(Err(error)) if for_good(&error) => Err(MailError::Refused(error.into())),
            Ok(Err(error)) => Err(MailError::Unavailable(error.into())),
            Err(_) => Err(MailError::Unavailable(io::Error::from(io::ErrorKind::TimedOut).into())),
        }
    }
}

impl Store for SmtpMail {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let begun = Instant::now();
            let asked = tokio::time::timeout(
                self.timeout.min(Duration::from_secs(5)),
                self.transport.test_connection(),
            );
            let failed = match asked.await {
                Ok(Ok(true)) => None,
                Ok(Ok(false)) => Some("it does not answer NOOP".to_owned()),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("no answer in time".to_owned()),
            };
            StoreStatus {
                name: "mail",
                mode: Mode::Server,
                reachable: failed.is_none(),
                latency_ms: Some(begun.elapsed().as_secs_f64() * 1000.0),
                version: None,
                detail: Some(self.place.clone()),
                mend: failed.map(|why| format!("check SMTP_URL and that the server runs ({why})")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_secured_unless_one_says_otherwise() {
        for (url, expected) in [
            ("smtp://mail.example.org", Ok((Security::Required, 587))),
            ("smtp://mail.example.org?tls=none", Ok((Security::None, 25))),
            ("smtp://127.0.0.1:1025", Ok((Security::Opportunistic, 587))),
            ("smtp://localhost", Ok((Security::Opportunistic, 587))),
            ("smtp://localhost?tls=required", Ok((Security::Required, 587))),
            ("smtps://mail.example.org", Ok((Security::Wrapped, 465))),
            ("smtps://mail.example.org?tls=none", Err(())),
            ("smtp://mail.example.org?tls=maybe", Err(())),
            ("smtp://mail.example.org?starttls=1", Err(())),
        ] {
            let got = Security::of(&url.parse().unwrap()).map(|s| (s, s.port())).map_err(|_| ());
            assert_eq!(got, expected, "{url}");
        }
    }
}
