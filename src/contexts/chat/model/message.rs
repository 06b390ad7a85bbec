//! A message as it is now: what was said, with everything that happened to it since.
//!
//! [`fold`] is the one rule by which events make messages. Stores keep their projection by it, and a
//! client that applies it to the events it receives shows what the server's history answers.
//!
//! * Every event that touches a message moves its `changed_seq`; an event at or before that place is in
//!   already. So folding is idempotent, and a projection that is behind is rolled forward from any
//!   earlier place.
//! * A deleted message stays deleted: what comes later has no effect on it, except that replies count.
//! * Of a message that is not there (cut by retention, not loaded by a client) nothing is changed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attachment, Event, Mentions, MessageId, Payload, Seq};
use crate::principal::UserId;

/// Who reacted with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who, in the order in which they came.
    pub user_ids: Vec<UserId>,
}

/// That a message was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom: the author, or a moderator.
    pub by: UserId,
}

/// That a message is pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// When.
    pub at: DateTime<Utc>,
    /// By whom.
    pub by: UserId,
    /// The event's place.
    pub seq: Seq,
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Its place in the log.
    pub seq: Seq,
    /// Who said it.
    pub sender_id: UserId,
    /// What the sender called it; `None` for what the server itself wrote.
    pub client_msg_id: Option<String>,
    /// Whether the platform said it.
    pub system: bool,
    /// The text as it is now; empty in a deleted message.
    pub body: String,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// The first message of the thread that it belongs to.
    pub thread: Option<MessageId>,
    /// Whom it mentions now.
    #[serde(flatten)]
    pub mentions: Mentions,
    /// What goes with it.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// Of a system message, what it is about.
    #[serde(default)]
    pub data: Value,
    /// When it was said.
    pub created_at: DateTime<Utc>,
    /// When its text changed last.
    pub edited_at: Option<DateTime<Utc>>,
    /// That it was deleted.
    pub deleted: Option<Deleted>,
    /// In the order in which each emoji came first.
    #[serde(default)]
    pub reactions: Vec<Reaction>,
    /// Replies in the thread that it begins; those deleted do not count.
    pub replies: u64,
    /// When the last of them came (deleted ones included).
    pub last_reply_at: Option<DateTime<Utc>>,
    /// That it is pinned.
    pub pinned: Option<Pinned>,
    /// The last event that is in here.
    pub changed_seq: Seq,
}

impl Message {
    /// The message that an event says, before anything happened to it.
    pub fn said(event: &Event) -> Option<Self> {
        let (said, data, system) = match &event.payload {
            Payload::Message(said) => (said.clone(), Value::Null, false),
            Payload::System { body, data } => (super::Said::text(body.clone()), data.clone(), true),
            _ => return None,
        };
        let internal = event.client_msg_id.is_internal();
        Some(Self {
            id: event.message_id,
            seq: event.seq,
            sender_id: event.sender_id,
            client_msg_id: (!internal).then(|| event.client_msg_id.as_str().to_owned()),
            system,
            body: said.body,
            reply_to: said.reply_to,
            thread: said.thread,
            mentions: said.mentions,
            attachments: said.attachments,
            data,
            created_at: event.created_at,
            edited_at: None,
            deleted: None,
            reactions: Vec::new(),
            replies: 0,
            last_reply_at: None,
            pinned: None,
            changed_seq: event.seq,
        })
    }

    /// Whether it was not deleted.
    pub const fn is_live(&self) -> bool {
        self.deleted.is_none()
    }

    /// Whether something happened to it since it was said.
    pub const fn is_changed(&self) -> bool {
        self.changed_seq != self.seq
    }

    /// Takes a reaction in or out.
    fn react(&mut self, emoji: &str, who: UserId, added: bool) {
        let known = self.reactions.iter().position(|reaction| reaction.emoji == emoji);
        match (known, added) {
            (Some(at), true) => {
                let people = &mut self.reactions[at].user_ids;
                if !people.contains(&who) {
                    people.push(who);
                }
            }
            (None, true) => {
                self.reactions.push(Reaction { emoji: emoji.to_owned(), user_ids: vec![who] });
            }
            (Some(at), false) => {
                self.reactions[at].user_ids.retain(|user| *user != who);
                if self.reactions[at].user_ids.is_empty() {
                    self.reactions.remove(at);
                }
            }
            (None, false) => {}
        }
    }

    /// What an event that names this message as its target does to it.
    fn take(&mut self, event: &Event) {
        self.changed_seq = event.seq;
        if !self.is_live() {
            return;
        }
        match &event.payload {
            Payload::Edit { body, mentions, .. } => {
                self.body.clone_from(body);
                self.mentions = mentions.clone();
                self.edited_at = Some(event.created_at);
            }
            Payload::Delete { .. } => {
                self.deleted = Some(Deleted { at: event.created_at, by: event.sender_id });
                self.body.clear();
                self.mentions = Mentions::default();
                self.attachments.clear();
                self.data = Value::Null;
                self.edited_at = None;
                self.reactions.clear();
                self.pinned = None;
            }
            Payload::Reaction { emoji, added, .. } => self.react(emoji, event.sender_id, *added),
            Payload::Pin { pinned, .. } => {
                self.pinned =
                    pinned.then(|| Pinned { at: event.created_at, by: event.sender_id, seq: event.seq });
            }
            _ => {}
        }
    }
}

/// The messages that an event changes, besides the one it may itself be: the thread that a reply
/// belongs to first, then the target. Whoever stores them one by one keeps that order: whether a
/// deletion takes a reply off its thread's count is told by the reply.
pub fn touched(event: &Event) -> Vec<MessageId> {
    event.payload.touches()
}

/// Takes an event into the messages it concerns, of those that are there; answers which changed, in
/// the order in which they are to be stored.
pub fn fold(messages: &mut HashMap<MessageId, Message>, event: &Event) -> Vec<MessageId> {
    let mut changed = Vec::new();
    let due = |message: &Message| message.changed_seq < event.seq;
    match &event.payload {
        Payload::Message(super::Said { thread: Some(root), .. }) => {
            if let Some(root) = messages.get_mut(root).filter(|root| due(root)) {
                root.replies += 1;
                root.last_reply_at = Some(event.created_at);
                root.changed_seq = event.seq;
                changed.push(root.id);
            }
        }
        Payload::Delete { target, thread: Some(root) } => {
            let live = messages.get(target).is_some_and(|reply| reply.is_live() && due(reply));
            if let Some(root) = messages.get_mut(root).filter(|root| live && due(root)) {
                root.replies = root.replies.saturating_sub(1);
                root.changed_seq = event.seq;
                changed.push(root.id);
            }
        }
        _ => {}
    }
    match &event.payload {
        Payload::Message(_) | Payload::System { .. } => {
            if let (false, Some(message)) = (messages.contains_key(&event.message_id), Message::said(event)) {
                messages.insert(message.id, message);
                changed.push(event.message_id);
            }
        }
        Payload::Edit { target, .. }
        | Payload::Delete { target, .. }
        | Payload::Reaction { target, .. }
        | Payload::Pin { target, .. } => {
            if let Some(message) = messages.get_mut(target).filter(|message| due(message)) {
                message.take(event);
                changed.push(*target);
            }
        }
        _ => {}
    }
    changed
}
