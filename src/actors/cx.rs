//! What a behaviour can do besides answering.

use std::{collections::VecDeque, future::Future, time::Duration};

use futures_util::{future::LocalBoxFuture, stream::FuturesUnordered};
use tokio::time::{Interval, MissedTickBehavior};

use super::{Behavior, Mailbox};
use crate::telemetry::{correlation, correlation::CorrelationId};

pub(super) type Callback<B> = Box<dyn FnOnce(&mut B, &mut Cx<'_, B>)>;
type Tick<B> = Box<dyn FnMut(&mut B, &mut Cx<'_, B>)>;

/// A piece of spawned work that is done, but for its callback.
pub(super) struct Finished<B: Behavior> {
    pub then: Callback<B>,
    pub correlation: Option<CorrelationId>,
    pub timer: bool,
}

pub(super) type Task<B> = LocalBoxFuture<'static, Finished<B>>;

/// Everything one incarnation has under way. Dropped with it.
pub(super) struct Work<B: Behavior> {
    /// Runs beside further messages.
    pub tasks: FuturesUnordered<Task<B>>,
    /// Runs, one after another, while no further message is handled.
    pub holds: VecDeque<Task<B>>,
    /// Tasks that are not timers: an actor with some is not idle.
    pub busy: usize,
    /// The behaviour asked to be stopped.
    pub stop: bool,
}

impl<B: Behavior> Default for Work<B> {
    fn default() -> Self {
        Self { tasks: FuturesUnordered::new(), holds: VecDeque::new(), busy: 0, stop: false }
    }
}

/// The shell, as seen by the behaviour while it handles something. All that is spawned here dies
/// with the incarnation: a rebuilt state never sees a callback of the one before.
pub struct Cx<'a, B: Behavior> {
    pub(super) mailbox: &'a Mailbox<B>,
    pub(super) work: &'a mut Work<B>,
    pub(super) correlation: Option<&'a CorrelationId>,
}

impl<B: Behavior> Cx<'_, B> {
    /// The actor's id.
    pub fn id(&self) -> &B::Id {
        self.mailbox.id()
    }

    /// The actor's own mailbox.
    pub fn mailbox(&self) -> &Mailbox<B> {
        self.mailbox
    }

    /// The correlation id of the message in hand. It is in scope too, so that logging and sending
    /// take it up by themselves.
    pub fn correlation(&self) -> Option<&CorrelationId> {
        self.correlation
    }

    /// Runs `future` beside further messages, then `then` on the state. A panic in either is a
    /// crash of the actor.
    pub fn spawn<F, G>(&mut self, future: F, then: G)
    where
        F: Future + 'static,
        G: FnOnce(&mut B, F::Output, &mut Cx<'_, B>) + 'static,
    {
        let task = self.task(future, then, false);
        self.work.busy += 1;
        self.work.tasks.push(task);
    }

    /// As [`spawn`](Self::spawn), and no further message is handled until `then` has run. Several
    /// wait in turn. Spawned work and timers do go on meanwhile.
    pub fn wait<F, G>(&mut self, future: F, then: G)
    where
        F: Future + 'static,
        G: FnOnce(&mut B, F::Output, &mut Cx<'_, B>) + 'static,
    {
        let task = self.task(future, then, false);
        self.work.holds.push_back(task);
    }

    /// Runs `then` after `delay`. A timer does not keep an idle actor from being put away.
    pub fn after<G>(&mut self, delay: Duration, then: G)
    where
        G: FnOnce(&mut B, &mut Cx<'_, B>) + 'static,
    {
        let task = self.task(tokio::time::sleep(delay), |state, (), cx| then(state, cx), true);
        self.work.tasks.push(task);
    }

    /// Runs `each` every `period`, first after one `period`; late ticks are skipped. It goes on
    /// until the incarnation ends, and does not keep an idle actor from being put away.
    pub fn every<G>(&mut self, period: Duration, each: G)
    where
        G: FnMut(&mut B, &mut Cx<'_, B>) + 'static,
    {
        let period = period.max(Duration::from_millis(1));
        let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.again(interval, Box::new(each));
    }

    fn again(&mut self, mut interval: Interval, mut each: Tick<B>) {
        let wait = async move {
            interval.tick().await;
            interval
        };
        let then = move |state: &mut B, interval, cx: &mut Cx<'_, B>| {
            each(state, cx);
            cx.again(interval, each);
        };
        let task = self.task(wait, then, true);
        self.work.tasks.push(task);
    }

    /// Stops the actor in order: no further message is accepted, those that wait are served, then
    /// [`stopping`](Behavior::stopping) runs. In a domain, later traffic starts it afresh.
    pub fn stop(&mut self) {
        self.work.stop = true;
    }

    fn task<F, G>(&self, future: F, then: G, timer: bool) -> Task<B>
    where
        F: Future + 'static,
        G: FnOnce(&mut B, F::Output, &mut Cx<'_, B>) + 'static,
    {
        let correlation = self.correlation.cloned();
        Box::pin(async move {
            let output = match &correlation {
                Some(id) => correlation::scope(id.clone(), future).await,
                None => future.await,
            };
            let then: Callback<B> = Box::new(move |state, cx| then(state, output, cx));
            Finished { then, correlation, timer }
        })
    }
}
