//! The real-time layer: the Centrifuge client protocol (version 2, JSON) over WebSocket.
//!
//! ```text
//! socket ─ reader (HTTP worker) ─ commands ─▶ UserSession actor ─▶ Namespace / Rpc (the contexts)
//!   ▲                                              │ replies
//!   └─ body ◀─ byte queue ◀─ shard (per worker) ◀──┴── Hub::publish (encoded once)
//! ```
//!
//! The layer knows no context. A context plugs in by [`Namespace`] and [`Rpc`], publishes by
//! [`Hub`], and sign-in comes in through [`Authenticator`].

pub mod auth;
pub mod channels;
pub mod hub;
pub mod log;
mod metrics;
mod outbound;
pub mod protocol;
mod queue;
pub mod rpc;
mod settings;
mod shard;
mod socket;

pub use auth::{Admission, Authenticator};
pub use channels::{Channel, ChannelOptions, ClientId, ClientInfo, Namespace};
pub use hub::Hub;
pub use log::{ChannelLog, HistoryQuery, LogSlice, MemoryRing, Publication, StreamPos};
pub use metrics::RealtimeMetrics;
pub use protocol::{
    disconnect::{Disconnect, Unsubscribe},
    errors::RtError,
    json::Json,
};
pub use rpc::{Rpc, Second, Staged, ready, refused, second};
pub use settings::Settings;
pub use socket::on_connect;
