//! What can go wrong between a sender and an actor.

use std::{fmt, time::Duration};

use crate::error::{ErrorKind, Fault};

/// A message was not accepted; it comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<M> {
    /// The mailbox holds as many messages as it may.
    Full(M),
    /// The actor is stopping, stopped or put away.
    Closed(M),
}

impl<M> SendError<M> {
    /// The message that was not accepted.
    pub fn into_message(self) -> M {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }
}

impl<M> fmt::Debug for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<M> fmt::Display for SendError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the mailbox is full",
            Self::Closed(_) => "the actor has stopped",
        })
    }
}

impl<M> std::error::Error for SendError<M> {}

impl<M> From<SendError<M>> for AskError {
    fn from(error: SendError<M>) -> Self {
        match error {
            SendError::Full(_) => Self::Full,
            SendError::Closed(_) => Self::Closed,
        }
    }
}

/// A question was not answered. Whether it was acted on is unknown after `Crashed` and `Timeout`;
/// it was not after the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The mailbox holds as many messages as it may.
    #[error("too many requests wait here; try again shortly")]
    Full,
    /// The actor stopped before it came to the question.
    #[error("the request's handler was stopped; try again")]
    Closed,
    /// The actor crashed (or was restarted) with the question in hand.
    #[error("the request's handler failed; it is being restarted")]
    Crashed,
    /// No answer within the deadline.
    #[error("no answer in time")]
    Timeout,
    /// The actor cannot be (re)built at the moment, or crashed too often.
    #[error("temporarily unavailable; try again later")]
    Unavailable {
        /// When a retry makes sense.
        retry_after: Duration,
    },
    /// There is nothing under this id.
    #[error("there is nothing under this id")]
    NotFound,
}

impl Fault for AskError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotFound => None,
            Self::Unavailable { retry_after } => Some(*retry_after),
            Self::Full | Self::Closed | Self::Crashed | Self::Timeout => Some(Duration::from_secs(1)),
        }
    }
}

/// An operator's restart found nothing to restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestartError {
    /// No live actor has this kind and id.
    #[error("no live actor has this kind and id")]
    NotFound,
}

impl Fault for RestartError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::NotFound
    }
}
