//! Chat's channels, and where its news go.

use serde_json::{Value, json};

use super::model::{Room, RoomId};
use crate::{
    principal::UserId,
    realtime::{Channel, ClientInfo, Hub, Publication, Unsubscribe},
};

/// The namespace of rooms.
pub const CHAT: &str = "chat";
/// The namespace of who is typing.
pub const TYPING: &str = "typing";

/// The namespace of what members' programs tell each other.
pub const LIVE: &str = "live";

/// `chat:<room>`: everything that is in the room's log.
pub fn chat_channel(room: RoomId) -> Channel {
    Channel::of(CHAT, room)
}

/// `typing:<room>`: who is typing; kept nowhere.
pub fn typing_channel(room: RoomId) -> Channel {
    Channel::of(TYPING, room)
}

/// `live:<room>`: what members' programs tell each other; kept nowhere.
pub fn live_channel(room: RoomId) -> Channel {
    Channel::of(LIVE, room)
}

/// `user:<person>`: what is theirs alone.
pub fn personal_channel(user: UserId) -> Channel {
    Channel::of("user", user)
}

/// Tells a person that they are in a room now.
pub fn room_added(room: &Room, member_count: usize) -> Value {
    json!({
        "type": "room_added",
        "room": {
            "id": room.id, "kind": room.kind, "name": room.name, "topic": room.topic,
            "created_by": room.created_by, "created_at": room.created_at, "member_count": member_count,
        },
    })
}

/// Tells a person that they are in a room no longer.
pub fn room_removed(room: RoomId) -> Value {
    json!({ "type": "room_removed", "room": { "id": room } })
}

/// Where a room's news go: the node's hub, or a recorder in tests. Must not block.
pub trait Outlet: Send + Sync + 'static {
    /// Sends to whoever is subscribed: here what has an offset (other nodes read it from the log),
    /// everywhere what has none.
    fn publish(&self, channel: &Channel, publication: &Publication);

    /// Takes a person's subscription away: their membership ended.
    fn unsubscribe(&self, user: UserId, channel: &Channel);

    /// Makes everybody subscribe anew: the log they followed began a new life.
    fn reset(&self, channel: &Channel);

    /// Who is there, a line for each connection.
    fn presence(&self, channel: &Channel) -> Vec<ClientInfo>;

    /// Whom somebody has hidden changed.
    fn veil(&self, _user: UserId) {}

    /// Tells other nodes that the channel's log grew by this one's hand.
    fn grown(&self, _channel: &Channel) {}

    /// Whether somebody here counts on hearing what other nodes write.
    fn follows(&self, _channel: &Channel) -> bool {
        false
    }
}

impl Outlet for Hub {
    fn publish(&self, channel: &Channel, publication: &Publication) {
        Hub::publish(self, channel, publication);
    }

    fn unsubscribe(&self, user: UserId, channel: &Channel) {
        self.unsubscribe_user(user, channel, &Unsubscribe::SERVER);
    }

    fn reset(&self, channel: &Channel) {
        self.unsubscribe_all(channel, &Unsubscribe::INSUFFICIENT);
    }

    fn presence(&self, channel: &Channel) -> Vec<ClientInfo> {
        Hub::presence(self, channel)
    }

    fn veil(&self, user: UserId) {
        self.veil_changed(user);
    }

    fn grown(&self, channel: &Channel) {
        Hub::grown(self, channel);
    }

    fn follows(&self, channel: &Channel) -> bool {
        Hub::follows(self, channel)
    }
}
