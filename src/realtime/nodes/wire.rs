//! What nodes tell each other, as JSON.
//!
//! | topic | what | lost |
//! | --- | --- | --- |
//! | `live` | [`Live`]: a piece of a node's numbered stream: ring publications, who came and went | asked for again |
//! | `beat` | [`Beat`]: how far that stream is; or the node's goodbye | the next comes soon |
//! | `ask` | [`Ask`]: say again, or tell all of it | asked again |
//! | `state` | [`State`]: who is present at a node, all of it | asked for again |
//! | `grown` | [`Grown`]: rooms whose log grew | everybody looks after the gap |
//! | `passing` | [`Passing`]: ephemeral publications (who types) | lost |

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::realtime::{
    channels::{Channel, ClientId, ClientInfo},
    log::Publication,
    protocol::json::Json,
};

pub(super) const LIVE: &str = "live";
pub(super) const BEAT: &str = "beat";
pub(super) const ASK: &str = "ask";
pub(super) const STATE: &str = "state";
pub(super) const GROWN: &str = "grown";
pub(super) const PASSING: &str = "passing";

/// An entry of a node's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::realtime) enum Entry {
    /// For the ring of a channel, which every node has of its own.
    Ring { channel: Channel, data: Json },
    /// From a log that all nodes share, at its place there.
    Logged { channel: Channel, publication: Publication },
    /// Somebody is in a channel.
    Join { channel: Channel, info: Arc<ClientInfo>, announce: bool },
    /// Somebody is not any more.
    Leave { channel: Channel, client: ClientId },
    /// Something that was too long to be told.
    Unsaid,
}

/// Entries of a node's stream, numbered from `first` on.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Live<T> {
    pub from: Uuid,
    pub first: u64,
    pub entries: Vec<T>,
}

/// Heard.
pub(super) type LiveIn = Live<Entry>;
/// Said.
pub(super) type LiveOut<'a> = Live<&'a RawValue>;

/// A node is alive, and its stream's last number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beat {
    pub from: Uuid,
    pub n: u64,
    /// It goes, in order: nobody is present there any more.
    #[serde(default)]
    pub bye: bool,
}

/// To one node: say again what came after that number; `None`: tell who is present.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ask {
    pub from: Uuid,
    pub to: Uuid,
    pub after: Option<u64>,
}

/// Somebody present at a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::realtime) struct Seat {
    pub channel: Channel,
    pub info: Arc<ClientInfo>,
    pub announce: bool,
}

/// To one node: a part of who is present at the sender after entry `n` of its stream.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub from: Uuid,
    pub to: Uuid,
    pub n: u64,
    /// Numbered from 0.
    pub part: u32,
    pub last: bool,
    pub seats: Vec<Seat>,
}

/// Logs of these channels grew.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Grown {
    pub channels: Vec<Channel>,
}

/// A publication that is kept nowhere.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Passing {
    pub channel: Channel,
    pub publication: Publication,
}
