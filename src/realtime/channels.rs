//! Channels, and what a context says about its own.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    log::ChannelLog,
    protocol::{errors::RtError, json::Json},
    rpc::{Staged, refused},
};
use crate::principal::{Principal, UserId};

/// The longest channel name, in bytes.
pub const MAX_CHANNEL_BYTES: usize = 255;

/// A channel's name, `namespace:rest`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

impl Channel {
    /// Reads a name: a namespace of lower-case letters, digits, `_` or `-`, a colon, and at least
    /// one more printable ASCII character; [`MAX_CHANNEL_BYTES`] at most.
    pub fn parse(name: &str) -> Option<Self> {
        let (namespace, rest) = name.split_once(':')?;
        let fits = !namespace.is_empty()
            && !rest.is_empty()
            && name.len() <= MAX_CHANNEL_BYTES
            && namespace.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
            && rest.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(name.into()))
    }

    /// The channel of a namespace and an id that are known to be well-formed.
    pub fn of(namespace: &str, id: impl fmt::Display) -> Self {
        Self(format!("{namespace}:{id}").into())
    }

    /// What stands before the colon.
    pub fn namespace(&self) -> &str {
        self.0.split_once(':').map_or("", |(namespace, _)| namespace)
    }

    /// What stands after it.
    pub fn id(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, id)| id)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Channel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Channel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| serde::de::Error::custom("no channel's name"))
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Channel({})", self.0)
    }
}

/// The id of one connection, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub Uuid);

impl ClientId {
    /// A fresh one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// Who is behind a connection, as others in a channel see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The person.
    pub user: UserId,
    /// The connection.
    pub client: ClientId,
    /// What others may know of the connection: `{"display_name": …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conn_info: Option<Json>,
    /// What the channel adds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chan_info: Option<Json>,
}

/// What a namespace's channels offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Publications carry gapless offsets and a client may recover what it missed. Needs a log.
    pub recoverable: bool,
    /// `presence` and `presence_stats` answer, and members are tracked.
    pub presence: bool,
    /// Members who ask for it are told of others' coming and going. Needs `presence`.
    pub join_leave: bool,
    /// `history` answers. Needs a log.
    pub history: bool,
    /// `publish` from a client reaches [`Namespace::publish`].
    pub publish: bool,
}

/// What a context says about its channels. One for each namespace, given to the layer at start.
pub trait Namespace: Send + Sync + 'static {
    /// What stands before the colon.
    fn name(&self) -> &'static str;

    /// What its channels offer.
    fn options(&self) -> ChannelOptions;

    /// Whether `who` may subscribe, and read presence and history.
    ///
    /// It is asked **after** the connection is attached to the channel (and before anything of the
    /// channel reaches it), so a membership that ends in between is not missed: end it in the
    /// store, then call [`Hub::unsubscribe_user`](super::Hub::unsubscribe_user).
    ///
    /// # Errors
    /// Usually [`RtError::UNKNOWN_CHANNEL`] or [`RtError::PERMISSION_DENIED`].
    fn authorise<'a>(
        &'a self,
        who: &'a Principal,
        channel: &'a Channel,
    ) -> BoxFuture<'a, Result<(), RtError>>;

    /// The log behind recoverable channels and `history`.
    fn log(&self) -> Option<&dyn ChannelLog> {
        None
    }

    /// What a fresh subscriber is handed in the subscribe reply's `data` (a snapshot).
    fn snapshot<'a>(
        &'a self,
        _who: &'a Principal,
        _channel: &'a Channel,
    ) -> BoxFuture<'a, Result<Option<Json>, RtError>> {
        Box::pin(async { Ok(None) })
    }

    /// The channel of this namespace that the server subscribes `who` to at connect.
    fn server_side(&self, _who: &Principal) -> Option<Channel> {
        None
    }

    /// A client's `publish`. Called only where [`ChannelOptions::publish`] says so; the namespace
    /// authorises by itself.
    #[allow(clippy::boxed_local, reason = "this default does nothing with it")]
    fn publish(
        &self,
        _who: Arc<Principal>,
        _client: ClientInfo,
        _channel: Channel,
        _data: Box<RawValue>,
    ) -> Staged<Result<(), RtError>> {
        refused(RtError::NOT_AVAILABLE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["chat:1", "user:0190", "gigs:feed", "leaderboard:a/b", "a-b_1:x:y"] {
            let channel = Channel::parse(good).unwrap();
            assert_eq!(format!("{}:{}", channel.namespace(), channel.id()), good);
        }
        let long = format!("chat:{}", "x".repeat(251));
        for bad in ["", "chat", ":x", "chat:", "Chat:1", "chat:a b", "chat:a\nb", "chat:ü", "$x:1", &long] {
            assert!(Channel::parse(bad).is_none(), "{bad:?}");
        }
    }
}
