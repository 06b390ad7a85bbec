//! The way back to an asker.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::oneshot;

use super::{AskError, cell::Cell};

pub(super) type AnswerSender<T> = oneshot::Sender<Result<T, AskError>>;

/// An asker's address. Send it once; keep it as long as needed (until a batch is durable, say).
/// Dropped unsent, the asker gets [`AskError::Crashed`].
#[must_use = "an asker waits"]
pub struct Reply<T>(Option<(AnswerSender<T>, Arc<Cell>)>);

impl<T> Reply<T> {
    pub(super) fn new(sender: Option<AnswerSender<T>>, cell: &Arc<Cell>) -> Self {
        Self(sender.map(|sender| {
            cell.reply_taken();
            (sender, cell.clone())
        }))
    }

    /// Answers. Does nothing where nobody asked (`tell`) or the asker has given up.
    pub fn send(mut self, answer: T) {
        if let Some((sender, cell)) = self.0.take() {
            let _ = sender.send(Ok(answer));
            cell.reply_done();
        }
    }

    /// Whether somebody still waits for the answer.
    pub fn is_wanted(&self) -> bool {
        self.0.as_ref().is_some_and(|(sender, _)| !sender.is_closed())
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        if let Some((sender, cell)) = self.0.take() {
            drop(sender);
            cell.reply_done();
        }
    }
}

/// An answer that is under way: the question is already in the mailbox.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Pending<T>(oneshot::Receiver<Result<T, AskError>>);

impl<T> Pending<T> {
    pub(super) const fn new(receiver: oneshot::Receiver<Result<T, AskError>>) -> Self {
        Self(receiver)
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, AskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(AskError::Crashed)))
    }
}
