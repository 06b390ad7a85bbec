//! What an actor is to the one who writes it.

use std::{fmt::Display, future::Future, hash::Hash};

use serde::Serialize;

use super::{Cx, Reply};

/// A message, and what it is answered with.
pub trait Request: Send + 'static {
    /// The answer; `()` for a message nobody waits for.
    type Answer: Send + 'static;
}

/// Why a state could not be rebuilt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// Storage knows no such thing: the actor stops, its askers get `NotFound`.
    #[error("there is nothing under this id")]
    NotFound,
    /// Storage cannot be reached: tried again after a backoff.
    #[error("storage is unavailable: {0}")]
    Unavailable(String),
    /// Anything else: tried again after a backoff.
    #[error("the state could not be rebuilt: {0}")]
    Failed(String),
}

/// An actor's state. The shell owns it, and may drop and rebuild it at any time between messages.
pub trait Behavior: Sized + 'static {
    /// The kind, in `snake_case`: what operators and metrics call it.
    const KIND: &'static str;
    /// What tells one actor of the kind from another.
    type Id: Clone + Eq + Hash + Display + Send + Sync + 'static;
    /// The services that the state is rebuilt with. A [`Domain`](super::Domain) demands `Send` of it
    /// besides; a [`Solo`](super::Solo) does not.
    type Seed: Clone + 'static;
    /// What operators see of the state. Keep it small; it holds no secret and no message body.
    type Observed: Serialize;

    /// Builds the state from storage: at the start and after every crash. It may be dropped half
    /// way (an operator's restart, a stop).
    fn rebuild(seed: Self::Seed, id: Self::Id) -> impl Future<Output = Result<Self, RebuildError>>;

    /// Runs after every (re)build, before the first message.
    fn started(&mut self, _cx: &mut Cx<'_, Self>) {}

    /// The state as operators see it; taken at most twice a second, and after a rebuild.
    fn observe(&self) -> Self::Observed;

    /// Whether the actor may be put away when it has been idle for long enough.
    fn may_passivate(&self) -> bool {
        true
    }

    /// Runs before an ordered stop or passivation; not after a crash, nor on a forced restart.
    fn stopping(&mut self) {}
}

/// How a behaviour handles a message.
pub trait Receive<M: Request>: Behavior {
    /// Handles `message`. `reply` may be kept and sent later; dropping it unsent tells the asker
    /// [`AskError::Crashed`](super::AskError::Crashed).
    fn receive(&mut self, message: M, reply: Reply<M::Answer>, cx: &mut Cx<'_, Self>);
}
