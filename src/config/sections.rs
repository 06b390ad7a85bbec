//! One struct a section; the shape of the file.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::Network;

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The listener and what stands before it.
    pub server: ServerConfig,
    /// Where data lives.
    pub data: DataConfig,
    /// The relational store.
    pub database: DatabaseConfig,
    /// The event bus.
    pub bus: BusConfig,
    /// Cache, limits, locks, sessions and board copies that several nodes share.
    pub redis: RedisConfig,
    /// The chat log and the activity stream on MongoDB.
    pub mongodb: MongoConfig,
    /// Vectors on Qdrant.
    pub qdrant: QdrantConfig,
    /// Words on Meilisearch.
    pub meilisearch: MeiliConfig,
    /// The activity stream.
    pub activity: ActivityConfig,
    /// Log lines.
    pub log: LogConfig,
    /// Traces.
    pub tracing: TracingConfig,
    /// Sessions and passwords.
    pub auth: AuthConfig,
    /// Rate limits.
    pub limits: LimitsConfig,
    /// WebSocket connections.
    pub realtime: RealtimeConfig,
    /// The actor kit.
    pub actors: ActorsConfig,
    /// Rooms and messages.
    pub chat: ChatConfig,
    /// Protected payment.
    pub payments: PaymentsConfig,
    /// Files and videos.
    pub objects: ObjectsConfig,
    /// Courses and certificates.
    pub learning: LearningConfig,
    /// Points and leaderboards.
    pub gamification: GamificationConfig,
    /// Search and recommendations.
    pub discovery: DiscoveryConfig,
    /// Mail.
    pub mail: MailConfig,
    /// Web Push.
    pub push: PushConfig,
    /// Texts as vectors.
    pub embeddings: EmbeddingsConfig,
}

/// Texts as vectors.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingsConfig {
    /// `EMBEDDINGS_URL`: the base of an API that speaks OpenAI's embeddings call; unset means the model that
    /// is compiled in. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `EMBEDDINGS_MODEL`: the model's name there. Another name: everything is embedded anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `EMBEDDINGS_DIMENSION`: numbers in one of its vectors, 2,000 at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimension: Option<usize>,
    /// `EMBEDDINGS_KEY`: the bearer token. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub key: Option<String>,
    /// `GIGSY_EMBEDDINGS_BATCH`: texts in one call.
    pub batch: usize,
    /// `GIGSY_EMBEDDINGS_PER_MINUTE`: calls in a minute at most.
    pub per_minute: u32,
    /// `GIGSY_EMBEDDINGS_TIMEOUT_SECONDS`: how long one call may take.
    pub timeout_seconds: u64,
}

/// Web Push.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PushConfig {
    /// `GIGSY_PUSH_HOSTS`: the push services that are sent to; `*.example.org` stands for every name below it.
    /// None: nothing is pushed.
    pub hosts: Vec<String>,
    /// `GIGSY_PUSH_CONTACT`: how push services reach whoever runs this, a `mailto:` or `https:` URL; by default
    /// the public URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
}

/// Courses and certificates.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LearningConfig {
    /// `GIGSY_FONTS_DIR`: fonts for names that those compiled in cannot write; by default `.gigsy/fonts` and
    /// the machine's Noto fonts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fonts_dir: Option<PathBuf>,
}

/// Points and leaderboards.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GamificationConfig {
    /// `GIGSY_BOARD_ZONE`: the IANA zone in which days, weeks and months of leaderboards and leagues begin
    /// and end.
    pub zone: String,
}

/// Search and recommendations.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DiscoveryConfig {
    /// `GIGSY_DISCOVERY_WEIGHTS`: a file with the weights that results are ordered by; unset means those compiled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

/// Mail.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MailConfig {
    /// `SMTP_URL`: a mail server; unset means files. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_MAIL_FROM`: the sender; by default `no-reply@` the public URL's host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `GIGSY_SMTP_CA`: a PEM file with a certificate authority to trust besides the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// `GIGSY_SMTP_TIMEOUT_SECONDS`: how long handing one mail over may take.
    pub timeout_seconds: u64,
    /// `GIGSY_MAIL_ATTEMPTS`: after so many a mail is given up.
    pub attempts: u32,
}

/// Rooms and messages.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChatConfig {
    /// `GIGSY_CHAT_EDIT_SECONDS`: how long after it was said a message can be edited; 0 for ever.
    pub edit_seconds: u64,
    /// `GIGSY_CHAT_RECEIPT_MEMBERS`: rooms of up to so many members show receipts.
    pub receipt_members: usize,
    /// `GIGSY_CHAT_RETENTION_DAYS`: how many days rooms keep messages that do not say otherwise; 0 for ever.
    pub retention_days: u32,
    /// `GIGSY_CHAT_ERASURE`: what becomes of the messages of somebody whose account is erased: `tombstone` or
    /// `anonymise`.
    pub erasure: Erasure,
}

/// What becomes of messages whose author is erased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Erasure {
    /// Each becomes a tombstone: its words go, its place stays.
    #[default]
    Tombstone,
    /// The words stay, under an id that leads to nobody any more.
    Anonymise,
}

impl Erasure {
    /// The name in the configuration and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tombstone => "tombstone",
            Self::Anonymise => "anonymise",
        }
    }
}

/// Files and videos.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectsConfig {
    /// `S3_BUCKET`: keep objects in this bucket; unset: in the data directory.
    pub s3_bucket: Option<String>,
    /// `S3_ENDPOINT`: where the bucket is, if not at Amazon.
    pub s3_endpoint: Option<Url>,
    /// `S3_REGION`.
    pub s3_region: String,
    /// `S3_ACCESS_KEY_ID`.
    pub s3_access_key: Option<String>,
    /// `S3_SECRET_ACCESS_KEY`. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub s3_secret_key: Option<String>,
    /// `S3_PATH_STYLE`: the bucket's name in the path, not in the host's.
    pub s3_path_style: bool,
    /// `MEDIA_BASE_URL`: what downloads go through, a CDN in front of the store.
    pub media_base_url: Option<Url>,
    /// `GIGSY_OBJECTS_QUOTA_BYTES`: what one person may keep.
    pub quota_bytes: u64,
    /// `GIGSY_OBJECTS_MAX_BYTES`: the largest file.
    pub max_bytes: u64,
    /// `GIGSY_OBJECTS_PART_BYTES`: larger files come in parts of this size.
    pub part_bytes: u64,
    /// `GIGSY_OBJECTS_URL_SECONDS`: how long signed URLs live.
    pub url_seconds: u64,
    /// `GIGSY_OBJECTS_UPLOAD_HOURS`: how long an upload may take.
    pub upload_hours: u64,
}

impl ObjectsConfig {
    /// Where browsers send files to and get them from, other than from this server: what a page's policy
    /// must allow.
    pub fn origins(&self) -> Vec<String> {
        let Some(bucket) = &self.s3_bucket else {
            return self.media_base_url.iter().map(|url| url.origin().ascii_serialization()).collect();
        };
        let store = match &self.s3_endpoint {
            None => format!("https://{bucket}.s3.{}.amazonaws.com", self.s3_region),
            Some(endpoint) => {
                let origin = endpoint.origin().ascii_serialization();
                match origin.split_once("://") {
                    Some((scheme, host)) if !self.s3_path_style => format!("{scheme}://{bucket}.{host}"),
                    _ => origin,
                }
            }
        };
        let media = self.media_base_url.as_ref().map(|url| url.origin().ascii_serialization());
        std::iter::once(store).chain(media).collect()
    }
}

/// Protected payment.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentsConfig {
    /// `GIGSY_PAYMENTS`: who keeps the money.
    pub provider: PaymentsProvider,
    /// `GIGSY_FEE_BASIS_POINTS`: the platform's part of what is released, in hundredths of a percent.
    pub fee_basis_points: u16,
    /// `STRIPE_SECRET_KEY`. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub stripe_secret_key: Option<String>,
    /// `STRIPE_WEBHOOK_SECRET`: what webhooks are signed with. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub stripe_webhook_secret: Option<String>,
    /// `STRIPE_API_URL`.
    pub stripe_api_url: Url,
    /// `GIGSY_SANDBOX_DELAY_MS`: from a call to its settlement and webhook.
    pub sandbox_delay_ms: u64,
    /// `GIGSY_SANDBOX_REFUSE`: of 100 payments, how many are refused.
    pub sandbox_refuse: u8,
    /// `GIGSY_SANDBOX_LOSE`: of 100 calls, how many get no answer.
    pub sandbox_lose: u8,
    /// `GIGSY_SANDBOX_DUPLICATE`: of 100 webhooks, how many come twice.
    pub sandbox_duplicate: u8,
    /// `GIGSY_SANDBOX_REORDER`: of 100 webhooks, how many come after later ones.
    pub sandbox_reorder: u8,
}

/// Who keeps the money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentsProvider {
    /// Nobody: the money is not real.
    Sandbox,
    /// Stripe.
    Stripe,
}

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

/// Where data lives.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `GIGSY_DATA_DIR`.
    pub dir: PathBuf,
    /// `GIGSY_ALLOW_DEMO`: permit demo accounts on a listener others can reach.
    pub allow_demo: bool,
}

/// The relational store.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`: a PostgreSQL ≥ 15; unset means the private child. Holds a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_POSTGRES_BIN`: the private child's binaries.
    pub postgres_bin: Option<PathBuf>,
    /// `GIGSY_DATABASE_POOL`: connections at most.
    pub pool_size: usize,
    /// `GIGSY_DATABASE_ACQUIRE_SECONDS`: how long a request waits for one.
    pub acquire_seconds: u64,
}

/// The event bus.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BusConfig {
    /// `NATS_URL`: a NATS server with JetStream, ≥ 2.10; unset means in process. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_BUS_PREFIX`: before subjects and stream names, for a NATS that others use too.
    pub prefix: String,
}

/// Redis.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `REDIS_URL`: `redis://` or `rediss://`; unset means in process. May hold a secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `GIGSY_REDIS_PREFIX`: before every key, for a Redis that others use too.
    pub prefix: String,
    /// `GIGSY_REDIS_TIMEOUT_MS`: how long a command may take before we go on without, in milliseconds.
    pub timeout_ms: u64,
}

/// The chat log and the activity stream on MongoDB.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MongoConfig {
    /// `MONGODB_URL`: a MongoDB ≥ 5.0, as `mongodb://` or `mongodb+srv://`, with the database in its path
    /// (`gigsy` if it names none); unset means both are in the relational store. Holds a secret. A text,
    /// since such a URL may name several hosts.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_hosts")]
    pub url: Option<String>,
    /// `GIGSY_CHAT_TAIL_MIB`: the size of the capped collection that recovery reads first, in MiB.
    pub tail_mib: u64,
    /// `GIGSY_MONGODB_TIMEOUT_SECONDS`: how long one operation may take; then the store is away.
    pub timeout_seconds: u64,
}

/// Vectors on Qdrant.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct QdrantConfig {
    /// `QDRANT_URL`: a Qdrant ≥ 1.16, its gRPC port (6334 by default); unset means vectors are in the relational
    /// store.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `QDRANT_API_KEY`. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub api_key: Option<String>,
    /// `GIGSY_QDRANT_PREFIX`: before every collection, for a Qdrant that others use too.
    pub prefix: String,
    /// `GIGSY_QDRANT_TIMEOUT_MS`: how long a call may take with all its tries, in milliseconds.
    pub timeout_ms: u64,
}

/// Words on Meilisearch.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MeiliConfig {
    /// `MEILI_URL`: a Meilisearch ≥ 1.13; unset means words are in the relational store.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask_url")]
    pub url: Option<Url>,
    /// `MEILI_MASTER_KEY`: the master key, or one that may do everything with the indexes of the prefix. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub api_key: Option<String>,
    /// `MEILI_SEARCH_KEY`: a key that may only search; tenant tokens are signed with it. A secret.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "mask")]
    pub search_key: Option<String>,
    /// `GIGSY_MEILI_PREFIX`: before every index, for a Meilisearch that others use too.
    pub prefix: String,
    /// `GIGSY_MEILI_TIMEOUT_MS`: how long one call may take, in milliseconds; a write waits six times as long for
    /// its task.
    pub timeout_ms: u64,
}

/// The activity stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityConfig {
    /// `GIGSY_ACTIVITY_DAYS`: how long an entry is kept.
    pub days: u32,
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

impl Config {
    /// The URL that browsers use, without a trailing slash.
    pub fn public_url(&self) -> String {
        match &self.server.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.server.listen),
        }
    }

    /// Whether nobody outside this machine can reach the server: listener and public URL are both
    /// loopback.
    pub fn is_loopback(&self) -> bool {
        let public = match self.server.public_url.as_ref().map(Url::host) {
            None => true,
            Some(Some(url::Host::Ipv4(ip))) => ip.is_loopback(),
            Some(Some(url::Host::Ipv6(ip))) => ip.is_loopback(),
            Some(Some(url::Host::Domain(name))) => name == "localhost",
            Some(None) => false,
        };
        public && self.server.listen.ip().is_loopback()
    }

    /// Whether cookies must be marked `Secure`.
    pub fn is_https(&self) -> bool {
        self.server.public_url.as_ref().is_some_and(|url| url.scheme() == "https")
    }

    /// The zone of leaderboards; the configuration was checked.
    pub fn board_zone(&self) -> chrono_tz::Tz {
        self.gamification.zone.parse().unwrap_or(chrono_tz::Tz::UTC)
    }

    /// Threads that serve HTTP.
    pub fn workers(&self) -> usize {
        match self.server.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
    }

    /// Registrations and sign-ins a minute per address.
    pub fn sign_in_per_minute(&self) -> u32 {
        choose(self.limits.sign_in_per_minute, self.is_loopback(), 600, 10)
    }

    /// REST calls a minute per address.
    pub fn calls_per_minute(&self) -> u32 {
        choose(self.limits.calls_per_minute, self.is_loopback(), 60_000, 600)
    }

    /// REST calls a minute per person; as many as an address has, if only that is set.
    pub fn user_calls_per_minute(&self) -> u32 {
        let set = match (self.limits.user_calls_per_minute, self.limits.calls_per_minute) {
            (0, calls) => calls,
            (n, _) => n,
        };
        choose(set, self.is_loopback(), 60_000, 1_200)
    }

    /// Attempts a minute on one account from one address; as many as sign-ins, if only those are set.
    pub fn account_per_minute(&self) -> u32 {
        let set = match (self.limits.account_per_minute, self.limits.sign_in_per_minute) {
            (0, sign_in) => sign_in,
            (n, _) => n,
        };
        choose(set, self.is_loopback(), 300, 5)
    }

    /// Commands a second per user and per connection.
    pub fn commands_per_second(&self) -> u32 {
        choose(self.limits.commands_per_second, self.is_loopback(), 2_000, 50)
    }

    /// The drain window.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.server.drain_seconds)
    }
}

const fn choose(set: u32, loopback: bool, generous: u32, strict: u32) -> u32 {
    match (set, loopback) {
        (0, true) => generous,
        (0, false) => strict,
        (n, _) => n,
    }
}

fn mask_url<S: serde::Serializer>(url: &Option<Url>, ser: S) -> Result<S::Ok, S::Error> {
    let Some(url) = url else {
        return ser.serialize_none();
    };
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Only a URL without a host refuses a password, and such a one has none to hide.
        let _ = shown.set_password(Some("***"));
    }
    shown.set_query(None);
    ser.serialize_str(shown.as_str())
}

fn mask_hosts<S: serde::Serializer>(url: &Option<String>, ser: S) -> Result<S::Ok, S::Error> {
    let Some(url) = url else { return ser.serialize_none() };
    let (scheme, rest) = url.split_once("://").unwrap_or(("mongodb", ""));
    let rest = rest.split('?').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((_, hosts)) => ser.serialize_str(&format!("{scheme}://***@{hosts}")),
        None => ser.serialize_str(&format!("{scheme}://{rest}")),
    }
}

fn mask<S: serde::Serializer>(_: &Option<String>, ser: S) -> Result<S::Ok, S::Error> {
    ser.serialize_str("***")
}
