//! What of the configuration the layer uses, in the units it uses.

use std::time::Duration;

use crate::{config::Config, http::origins::Origins};

/// The layer's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Between the server's pings.
    pub ping: Duration,
    /// Silence after a ping that ends a connection with 3012.
    pub pong: Duration,
    /// From upgrade to a successful `connect`; then 3502.
    pub handshake: Duration,
    /// What a token's holder has beyond its end to bring another; then 3005.
    pub expiry_grace: Duration,
    /// How long a closed connection is held open for the peer's close frame.
    pub close_hold: Duration,
    /// How long a queue may stand still; then 3008.
    pub stall: Duration,
    /// Between the shards' rounds.
    pub tick: Duration,
    /// An inbound message's size at most, in bytes.
    pub max_frame_bytes: usize,
    /// An outbound queue's size at most, in bytes; then 3008.
    pub queue_bytes: usize,
    /// Publications that one recovery or history page may bring.
    pub history_limit: usize,
    /// Channels of a connection.
    pub max_subscriptions: usize,
    /// Connections of a session.
    pub max_connections: usize,
    /// Commands a second of a connection, and of a session.
    pub commands_per_second: u32,
    /// Web origins that may connect.
    pub origins: Origins,
}

impl Settings {
    /// From the configuration.
    pub fn new(config: &Config) -> Self {
        let realtime = &config.realtime;
        Self {
            ping: Duration::from_secs(realtime.ping_seconds.max(1)),
            pong: Duration::from_secs(realtime.pong_seconds.max(1)),
            handshake: Duration::from_secs(realtime.handshake_seconds.max(1)),
            expiry_grace: Duration::from_secs(5),
            close_hold: Duration::from_secs(15),
            stall: Duration::from_secs(20),
            tick: Duration::from_millis(250),
            max_frame_bytes: realtime.max_frame_bytes,
            queue_bytes: realtime.queue_bytes,
            history_limit: realtime.history_limit,
            max_subscriptions: realtime.max_subscriptions,
            max_connections: realtime.max_connections_per_session,
            commands_per_second: config.commands_per_second(),
            origins: Origins::new(config),
        }
    }
}
