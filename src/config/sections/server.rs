//! The server itself: listener, logs, traces, sign-in, limits, connections, actors.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::masks::{mask, mask_url};
use crate::config::Network;

/// The listener and what stands before it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// `GIGSY_LISTEN`: address and port.
    pub listen: SocketAddr,
    /// `GIGSY_PUBLIC_URL`: what browsers see; by default the listener over http.
    pub public_url: Option<Url>,
    /// `GIGSY_ALLOWED_ORIGINS`: web origins besides the public URL's own.
    pub allowed_origins: Vec<Url>,
    /// `GIGSY_TRUSTED_PROXIES`: peers, single or as networks, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// `GIGSY_WORKERS`: HTTP threads, each with a shard; 0 takes one per core.
    pub workers: usize,
    /// `GIGSY_DRAIN_SECONDS`: how long a stop may take.
    pub drain_seconds: u64,
    /// `GIGSY_MAX_BODY_BYTES`: the largest request body, in bytes.
    pub max_body_bytes: usize,
}

/// Log lines.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `GIGSY_LOG`.
    pub level: LogLevel,
    /// `GIGSY_LOG_FORMAT`.
    pub format: LogFormat,
    /// `LOGTAIL_TOKEN`: lines also go to Logtail (Better Stack). A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub logtail_token: Option<String>,
    /// `LOGTAIL_URL`: the source's ingesting host.
    pub logtail_url: Url,
}

/// Traces by OTLP. The names are OpenTelemetry's.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TracingConfig {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: the collector's base URL; unset means no traces. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub endpoint: Option<Url>,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: headers of each call, `name=value`, comma-separated, values
    /// percent-encoded. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub headers: Option<String>,
    /// `OTEL_SERVICE_NAME`.
    pub service: String,
    /// `OTEL_TRACES_SAMPLER_ARG`: of the traces that no caller decided about, which part is kept.
    pub ratio: f64,
}

impl TracingConfig {
    /// The headers by name.
    pub fn headers(&self) -> Vec<(String, String)> {
        let pairs = self.headers.iter().flat_map(|text| text.split(','));
        // A plus is itself here, unlike in a form.
        let plain = |value: &str| {
            let form = format!("x={}", value.trim().replace('+', "%2B").replace('&', "%26"));
            url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned())
        };
        let named = pairs.filter_map(|pair| pair.split_once('='));
        named.filter_map(|(name, value)| Some((name.trim().to_owned(), plain(value)?))).collect()
    }
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warning,
    Error,
}

impl LogLevel {
    /// slog's name for it.
    pub const fn slog(self) -> slog::Level {
        match self {
            Self::Trace => slog::Level::Trace,
            Self::Debug => slog::Level::Debug,
            Self::Info => slog::Level::Info,
            Self::Warning => slog::Level::Warning,
            Self::Error => slog::Level::Error,
        }
    }
}

/// How it is written.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, in Pino's shape.
    Json,
    /// For people.
    Terminal,
    /// `Terminal` where standard error is one.
    Auto,
}

/// Sessions and passwords.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthConfig {
    /// `GIGSY_SESSION_DAYS`: how long a sign-in lasts without use.
    pub session_days: u32,
    /// `GIGSY_REALTIME_TOKEN_SECONDS`: life of a connection token.
    pub realtime_token_seconds: u64,
    /// `GIGSY_HASH_CONCURRENCY`: Argon2id runs at once; 0 takes one per core.
    pub hash_concurrency: usize,
    /// `GIGSY_CROSS_SITE_COOKIE`: `SameSite=None; Secure; Partitioned` for a frontend elsewhere.
    pub cross_site: bool,
}

/// Rate limits; 0 keeps the built-in choice.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// `GIGSY_LIMIT_SIGN_IN`: registrations and sign-ins a minute per address.
    pub sign_in_per_minute: u32,
    /// `GIGSY_LIMIT_CALLS`: REST calls a minute per address.
    pub calls_per_minute: u32,
    /// `GIGSY_LIMIT_USER`: REST calls a minute per person.
    pub user_calls_per_minute: u32,
    /// `GIGSY_LIMIT_ACCOUNT`: attempts a minute on one account from one address.
    pub account_per_minute: u32,
    /// `GIGSY_LIMIT_COMMANDS`: commands a second per user and per connection.
    pub commands_per_second: u32,
}

/// WebSocket connections.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RealtimeConfig {
    /// `GIGSY_PING_SECONDS`: between the server's pings.
    pub ping_seconds: u64,
    /// `GIGSY_PONG_SECONDS`: silence after a ping that ends a connection with 3012.
    pub pong_seconds: u64,
    /// `GIGSY_HANDSHAKE_SECONDS`: from upgrade to a successful `connect`.
    pub handshake_seconds: u64,
    /// `GIGSY_MAX_FRAME_BYTES`: an inbound message's size.
    pub max_frame_bytes: usize,
    /// `GIGSY_QUEUE_BYTES`: the outbound queue of a connection; past it 3008.
    pub queue_bytes: usize,
    /// `GIGSY_RECOVERY_LIMIT`: publications that one recovery may bring.
    pub history_limit: usize,
    /// `GIGSY_MAX_SUBSCRIPTIONS`: channels of a connection.
    pub max_subscriptions: usize,
    /// `GIGSY_MAX_CONNECTIONS_PER_SESSION`.
    pub max_connections_per_session: usize,
}

/// The actor kit.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActorsConfig {
    /// `GIGSY_MAILBOX_CAPACITY`: messages that may wait at one actor.
    pub mailbox_capacity: usize,
    /// `GIGSY_PASSIVATE_SECONDS`: idle time before an actor is put away.
    pub passivate_seconds: u64,
}
