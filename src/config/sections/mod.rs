//! One struct a section; the shape of the file.

mod contexts;
mod masks;
mod server;
mod stores;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

pub use contexts::*;
pub use server::*;
pub use stores::*;

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

    /// Threads that actors run on: half as many, since actors take less than half of the workers' CPU. Waking
    /// another thread costs more than most messages, and actors that share one hand theirs over without.
    pub fn actor_threads(&self) -> usize {
        self.workers().div_ceil(2)
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
