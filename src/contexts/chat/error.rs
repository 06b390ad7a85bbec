//! What can go wrong in chat.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::{model::MemberRole, store::StoreError};
use crate::error::{ErrorKind, Fault, FieldError};

/// What can go wrong in chat.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// No such room.
    #[error("there is no such room")]
    NoRoom,
    /// Only members may.
    #[error("only members of the room may do this")]
    NotMember,
    /// Only members of a higher role may.
    #[error("this takes the role {} in the room", .0.as_str())]
    NeedsRole(MemberRole),
    /// Only an owner may change an owner.
    #[error("only an owner may do this to an owner")]
    OwnerOnly,
    /// The person named is no member.
    #[error("this person is not a member of the room")]
    NoSuchMember,
    /// Direct rooms keep their two people.
    #[error("a direct room always has the same two members")]
    DirectIsFixed,
    /// Only public rooms can be joined.
    #[error("this room is by invitation only")]
    ByInvitation,
    /// A room needs an owner.
    #[error("the room's last owner cannot step down: name another owner first")]
    LastOwner,
    /// Archived rooms take nothing new.
    #[error("the room is archived")]
    Archived,
    /// The room cannot take more members.
    #[error("the room is full")]
    Full,
    /// Somebody changed the room in the meantime.
    #[error("the room was changed in the meantime")]
    Stale,
    /// Something happened to the message in the meantime.
    #[error("the message was changed in the meantime")]
    MessageStale,
    /// A value is out of its bounds.
    #[error("{}", said(.0))]
    Invalid(Vec<FieldError>),
    /// No such message, or it is no message that this can be done to.
    #[error("there is no such message in the room")]
    NoMessage,
    /// Only the author may.
    #[error("only its author may do this to a message")]
    NotAuthor,
    /// The message is too old to be edited.
    #[error("the time in which this message could be edited is over")]
    EditWindow,
    /// The message was deleted.
    #[error("the message was deleted")]
    Deleted,
    /// The message has as many reactions as it can hold.
    #[error("the message has as many reactions as it can hold")]
    TooManyReactions,
    /// The room has as many pinned messages as it can hold.
    #[error("the room has as many pinned messages as it can hold; unpin one first")]
    TooManyPins,
    /// The member may not write for a while.
    #[error("you may not write in this room until {0}")]
    Suspended(DateTime<Utc>),
    /// The person is not let in.
    #[error("this person is banned from the room")]
    Banned,
    /// One of the two has blocked the other.
    #[error("the two of you cannot send each other messages")]
    Apart,
    /// Only moderators may.
    #[error("this takes the role admin in the room, or the role moderator on the platform")]
    NeedsModerator,
    /// No such report.
    #[error("there is no such report")]
    NoReport,
    /// The sender is too fast.
    #[error("too many messages; wait a moment")]
    TooFast {
        /// How long.
        retry_after: Duration,
    },
    /// The room has more to write than it can take.
    #[error("the room is very busy; try again in a moment")]
    Busy,
    /// The store cannot be reached; whether something was written is not known. Sending again with
    /// the same `client_msg_id` settles it.
    #[error("the message store does not answer; send again with the same client_msg_id")]
    LogAway,
    /// The room's actor cannot serve.
    #[error(transparent)]
    Actor(#[from] crate::actors::AskError),
    /// The store failed.
    #[error("the chat store does not answer")]
    Store(#[from] StoreError),
    /// Another context failed.
    #[error("people cannot be looked up at the moment")]
    People(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ChatError {
    /// One wrong field.
    pub fn field(pointer: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self::Invalid(vec![FieldError::new(pointer, detail.to_string())])
    }
}

/// The fields in words: the real-time protocol has no place for them but the message.
fn said(fields: &[FieldError]) -> String {
    match fields {
        [] => "a value is not acceptable".to_owned(),
        [one] => format!("{}: {}", one.pointer, one.detail),
        [first, rest @ ..] => format!("{}: {} (and {} more)", first.pointer, first.detail, rest.len()),
    }
}

impl Fault for ChatError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRoom | Self::NoSuchMember | Self::NoMessage | Self::NoReport => ErrorKind::NotFound,
            Self::NotMember
            | Self::NeedsRole(_)
            | Self::OwnerOnly
            | Self::ByInvitation
            | Self::NotAuthor
            | Self::Suspended(_)
            | Self::Banned
            | Self::Apart
            | Self::NeedsModerator => ErrorKind::Forbidden,
            Self::DirectIsFixed
            | Self::LastOwner
            | Self::Archived
            | Self::Full
            | Self::EditWindow
            | Self::Deleted
            | Self::TooManyReactions
            | Self::TooManyPins => ErrorKind::Conflict,
            Self::Stale | Self::MessageStale => ErrorKind::PreconditionFailed,
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::TooFast { .. } => ErrorKind::RateLimited,
            Self::Busy | Self::LogAway | Self::People(_) => ErrorKind::Unavailable,
            Self::Actor(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn slug(&self) -> &'static str {
        match self {
            Self::NoRoom => "no-such-room",
            Self::NotMember => "not-a-member",
            Self::NoSuchMember => "no-such-member",
            Self::DirectIsFixed => "direct-room-is-fixed",
            Self::ByInvitation => "by-invitation-only",
            Self::LastOwner => "last-owner",
            Self::Archived => "room-archived",
            Self::Full => "room-full",
            Self::NoMessage => "no-such-message",
            Self::NotAuthor => "not-the-author",
            Self::EditWindow => "edit-window-over",
            Self::Deleted => "message-deleted",
            Self::TooManyReactions => "too-many-reactions",
            Self::TooManyPins => "too-many-pins",
            Self::Suspended(_) => "suspended",
            Self::Banned => "banned",
            Self::Apart => "blocked",
            Self::NeedsModerator => "not-a-moderator",
            Self::NoReport => "no-such-report",
            Self::Busy => "room-busy",
            Self::Actor(error) => error.slug(),
            other => other.kind().slug(),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(fields) => fields.clone(),
            _ => Vec::new(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooFast { retry_after } => Some(*retry_after),
            Self::Busy | Self::LogAway | Self::Store(_) | Self::People(_) => Some(Duration::from_secs(1)),
            Self::Actor(error) => error.retry_after(),
            _ => None,
        }
    }
}
