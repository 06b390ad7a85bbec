//! The way in.

use std::{fmt, sync::Arc, time::Duration};

use actix::{Addr, Message};
use tokio::sync::oneshot;

use super::{
    AskError, Behavior, Pending, Receive, Request, SendError,
    cell::{Cell, Exit},
    gate::Refusal,
    reply::AnswerSender,
    shell::Shell,
};
use crate::telemetry::{correlation, correlation::CorrelationId};

/// An actor's mailbox: bounded, counted, the same across restarts. Cheap to clone, and to be used
/// from any thread.
pub struct Mailbox<B: Behavior>(pub(super) Arc<Core<B>>);

/// What a mailbox points at.
pub(super) struct Core<B: Behavior> {
    pub cell: Arc<Cell>,
    pub id: B::Id,
    pub addr: Addr<Shell<B>>,
}

/// A message on its way. Dropped on the way, it counts as dead and tells its asker why.
pub(super) struct Deliver<M: Request> {
    pub content: Option<Content<M>>,
    cell: Arc<Cell>,
}

pub(super) struct Content<M: Request> {
    pub message: M,
    pub answer: Option<AnswerSender<M::Answer>>,
    pub correlation: Option<CorrelationId>,
    pub queued_at: Option<std::time::Instant>,
}

impl<M: Request> Message for Deliver<M> {
    type Result = ();
}

impl<M: Request> Drop for Deliver<M> {
    fn drop(&mut self) {
        if let Some(content) = self.content.take() {
            self.cell.died();
            if let Some(answer) = content.answer {
                let _ = answer.send(Err(self.cell.exit().unwrap_or(Exit::Lost).ask_error()));
            }
        }
    }
}

impl<B: Behavior> Mailbox<B> {
    /// Whose mailbox it is.
    pub fn id(&self) -> &B::Id {
        &self.0.id
    }

    /// How many messages wait.
    pub fn depth(&self) -> u64 {
        self.cell().depth()
    }

    /// Whether no message can be sent any more: the actor is stopping, stopped or put away. A
    /// domain has, or will have, another actor for the id.
    pub fn is_closed(&self) -> bool {
        self.cell().is_closed()
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// The message comes back when the mailbox is full or closed.
    pub fn tell<M: Request>(&self, message: M) -> Result<(), SendError<M>>
    where
        B: Receive<M>,
    {
        self.push(message, None, true)
    }

    /// As [`tell`](Self::tell), past the bound: for the few messages of the kit itself that must
    /// not be lost and whose number is bounded otherwise.
    pub(super) fn tell_unbounded<M: Request>(&self, message: M) -> Result<(), SendError<M>>
    where
        B: Receive<M>,
    {
        self.push(message, None, false)
    }

    /// Asks: the question is in the mailbox, in its place among the caller's other messages, when
    /// this returns; the answer comes with the future.
    ///
    /// # Errors
    /// The message comes back when the mailbox is full or closed.
    pub fn ask_now<M: Request>(&self, message: M) -> Result<Pending<M::Answer>, SendError<M>>
    where
        B: Receive<M>,
    {
        let (sender, receiver) = oneshot::channel();
        self.push(message, Some(sender), true)?;
        Ok(Pending::new(receiver))
    }

    /// Asks, and waits for the answer at most `deadline`.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask<M: Request>(&self, message: M, deadline: Duration) -> Result<M::Answer, AskError>
    where
        B: Receive<M>,
    {
        let pending = self.ask_now(message)?;
        tokio::time::timeout(deadline, pending).await.unwrap_or(Err(AskError::Timeout))
    }

    pub(super) fn cell(&self) -> &Arc<Cell> {
        &self.0.cell
    }

    /// The actor's report, also after its end.
    #[cfg(test)]
    pub(crate) fn cell_report(&self) -> super::ActorReport {
        self.cell().report()
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that sends")]
    fn push<M: Request>(
        &self,
        message: M,
        answer: Option<AnswerSender<M::Answer>>,
        bounded: bool,
    ) -> Result<(), SendError<M>>
    where
        B: Receive<M>,
    {
        let cell = self.cell();
        let queued_at = match cell.enter(bounded) {
            Ok(queued_at) => queued_at,
            Err(Refusal::Full) => return Err(SendError::Full(message)),
            Err(Refusal::Closed) => return Err(SendError::Closed(message)),
        };
        let content = Content { message, answer, correlation: correlation::current(), queued_at };
        let deliver = Deliver { content: Some(content), cell: cell.clone() };
        // actix's own bound is off (capacity 0): it is only `Closed` that can come back.
        match self.0.addr.try_send(deliver) {
            Ok(()) => Ok(()),
            Err(actix::dev::SendError::Full(mut back) | actix::dev::SendError::Closed(mut back)) => {
                match back.content.take() {
                    Some(content) => {
                        cell.retract();
                        Err(SendError::Closed(content.message))
                    }
                    None => Ok(()),
                }
            }
        }
    }
}

impl<B: Behavior> Clone for Mailbox<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Behavior> fmt::Debug for Mailbox<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({}/{})", self.cell().kind.name, self.cell().id)
    }
}
