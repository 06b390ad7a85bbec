//! Web Push: a message to one browser of one person, through the push service of that browser's maker.
//!
//! The message is encrypted for the browser alone (RFC 8291), so the push service sees its size and when it
//! came; the request is signed with this installation's key (VAPID, RFC 8292), which the browser was told
//! when it subscribed.

mod encrypt;
mod hosts;
mod vapid;

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{StatusCode, header};
use url::Url;

pub use self::{
    encrypt::{AUTH_BYTES, PUBLIC_KEY_BYTES},
    hosts::Hosts,
    vapid::{BadKey, Vapid},
};
use crate::tls::{self, TlsError};

/// How long a push service may take to answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// A browser that subscribed.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    /// Where its push service takes messages for it. Whoever knows it and our key can send: a secret.
    pub endpoint: Url,
    /// Its public key: an uncompressed point of P-256.
    pub p256dh: Vec<u8>,
    /// What only it and we know.
    pub auth: Vec<u8>,
}

/// What is pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The text, up to [`Message::MOST`] bytes.
    pub body: Vec<u8>,
    /// How long the push service keeps it for a browser that is away.
    pub ttl: Duration,
    /// A later message of the same topic takes the place of one that waits (RFC 8030 §5.4): up to 32
    /// characters of the URL-safe base64 alphabet.
    pub topic: String,
    /// Whether it may wake a device that saves its battery (RFC 8030 §5.3).
    pub urgent: bool,
}

impl Message {
    /// The longest body: what encrypted fits into the 4,096 bytes that every push service takes.
    pub const MOST: usize = 3_000;
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The browser has unsubscribed, or its subscription has expired.
    #[error("the subscription is gone")]
    Gone,
    /// The push service will never take it.
    #[error("the push service refused: {0}")]
    Refused(String),
    /// It cannot take it at the moment.
    #[error("the push service cannot be reached: {reason}")]
    Unavailable {
        /// When it asks to be asked again.
        retry_after: Option<Duration>,
        /// Why.
        reason: String,
    },
}

/// Takes messages for browsers.
#[async_trait]
pub trait Push: Send + Sync {
    /// Hands one over. Once this has returned, the push service has it.
    ///
    /// # Errors
    /// It has not, as far as one can know.
    async fn send(&self, target: &Target, message: &Message) -> Result<(), PushError>;

    /// What browsers are to be told when they subscribe: our public key, an uncompressed point of P-256.
    fn public_key(&self) -> &[u8];

    /// Whether messages to that endpoint would be sent at all.
    fn takes(&self, endpoint: &Url) -> bool;
}

/// Push services over HTTPS. Cheap to clone.
#[derive(Clone)]
pub struct WebPush {
    http: reqwest::Client,
    vapid: Vapid,
    hosts: Hosts,
}

impl WebPush {
    /// Sends signed with `vapid`, to `hosts` only.
    ///
    /// # Errors
    /// When outgoing TLS cannot be set up.
    pub fn new(vapid: Vapid, hosts: Hosts) -> Result<Self, TlsError> {
        Ok(Self { http: tls::http_client(DEADLINE)?, vapid, hosts })
    }
}

#[async_trait]
impl Push for WebPush {
    async fn send(&self, target: &Target, message: &Message) -> Result<(), PushError> {
        if !self.takes(&target.endpoint) {
            return Err(PushError::Refused(
                "this is not one of the push services of GIGSY_PUSH_HOSTS".into(),
            ));
        }
        let refused = |why: &str| PushError::Refused(why.to_owned());
        let body = encrypt::encrypt(&target.p256dh, &target.auth, &message.body)
            .map_err(|_| refused("the browser's keys cannot be used"))?;
        let token = self
            .vapid
            .authorization(&target.endpoint, chrono::Utc::now())
            .map_err(|_| refused("the request cannot be signed"))?;
        let urgency = if message.urgent { "high" } else { "normal" };
        let request = self
            .http
            .post(target.endpoint.clone())
            .header(header::AUTHORIZATION, token)
            .header(header::CONTENT_ENCODING, "aes128gcm")
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header("ttl", message.ttl.as_secs().to_string())
            .header("topic", &message.topic)
            .header("urgency", urgency)
            .body(body);
        // The endpoint is a secret of the subscription: it is left out of what is told.
        let response = request.send().await.map_err(|error| PushError::Unavailable {
            retry_after: None,
            reason: error.without_url().to_string(),
        })?;
        let status = response.status();
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        match status {
            _ if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(PushError::Gone),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Err(PushError::Unavailable {
                retry_after: retry_after.map(Duration::from_secs),
                reason: status.to_string(),
            }),
            _ if status.is_client_error() || status.is_redirection() => {
                Err(PushError::Refused(status.to_string()))
            }
            _ => Err(PushError::Unavailable {
                retry_after: retry_after.map(Duration::from_secs),
                reason: status.to_string(),
            }),
        }
    }

    fn public_key(&self) -> &[u8] {
        self.vapid.public_key()
    }

    fn takes(&self, endpoint: &Url) -> bool {
        self.hosts.take(endpoint)
    }
}
