//! The real-time layer: the Centrifuge client protocol (version 2, JSON and Protobuf) over WebSocket.
//!
//! ```text
//! socket ─ reader (HTTP worker) ─ commands ─▶ UserSession actor ─▶ Namespace / Rpc (the contexts)
//!   ▲                                              │ replies
//!   └─ flusher ◀─ queue ◀─── shard (per worker) ◀──┴── Hub::publish (encoded once a form)
//! ```
//!
//! The layer knows no context. A context plugs in by [`Namespace`] and [`Rpc`], publishes by
//! [`Hub`], and sign-in comes in through [`Authenticator`].

pub mod auth;
mod budget;
pub mod channels;
pub mod client;
mod core;
mod drain;
mod gateway;
pub mod hub;
pub mod lanes;
mod limits;
pub mod log;
pub mod metrics;
mod nodes;
pub mod outbound;
mod personal;
pub mod protocol;
pub mod queue;
mod raw;
mod ring;
pub mod rpc;
mod settings;
pub mod shard;
mod socket;
mod veils;

pub use auth::{Admission, Authenticator};
pub use budget::Budget;
pub use channels::{Channel, ChannelOptions, ClientId, ClientInfo, Namespace};
pub use core::{Realtime, RealtimeBuilder};
pub use gateway::{UpgradeError, upgrade, websocket};
pub use hub::Hub;
pub use limits::Bucket;
pub use log::{ChannelLog, HistoryQuery, LogSlice, MemoryRing, Publication, StreamPos};
pub use metrics::RealtimeMetrics;
pub use personal::Personal;
pub use protocol::{
    disconnect::{Disconnect, Unsubscribe},
    errors::RtError,
    json::Json,
};
pub use ring::SharedRing;
pub use rpc::{Rpc, Second, Staged, ready, refused, second};
pub use settings::Settings;
pub use shard::LocalShard;
pub use socket::on_connect;
pub use veils::{Veiled, Veils};
