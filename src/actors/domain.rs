//! The handle of a domain: all actors of one kind, by id.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use super::{
    Arbiters, AskError, Behavior, Mailbox, Receive, Registry, Request, RestartError, SendError, Solo,
    cell::signal,
    supervisor::{Shared, Start, StopAll, Supervisor},
};
use crate::config::ActorsConfig;

/// How the actors of a domain live.
#[derive(Clone, Copy, Debug)]
pub struct DomainConfig {
    /// Messages that may wait at one actor.
    pub capacity: usize,
    /// Idle time after which an actor is put away; `None`: never.
    pub passivate_after: Option<Duration>,
    /// How soon after activity operators see the new state.
    pub observe_every: Duration,
    /// More than so many crashes within so long stop the actor.
    pub intensity: (u32, Duration),
    /// The pause after a first crash, doubled with each further one, and its bound. An actor that
    /// crashed too often is refused for the bound.
    pub backoff: (Duration, Duration),
    /// Rebuilds that may fail in a row before the actor is given up.
    pub rebuild_attempts: u32,
    /// How long one rebuild may take before it counts as failed.
    pub rebuild_within: Duration,
    /// How long [`Domain::get`] waits for an actor to be up.
    pub start_deadline: Duration,
    /// How long an actor that stops itself ([`Cx::stop`](super::Cx::stop)) may take to finish.
    pub drain_within: Duration,
}

impl Default for DomainConfig {
    fn default() -> Self {
        Self {
            capacity: 1024,
            passivate_after: Some(Duration::from_secs(300)),
            observe_every: Duration::from_millis(500),
            intensity: (5, Duration::from_secs(60)),
            backoff: (Duration::from_millis(50), Duration::from_secs(5)),
            rebuild_attempts: 3,
            rebuild_within: Duration::from_secs(10),
            start_deadline: Duration::from_secs(10),
            drain_within: Duration::from_secs(10),
        }
    }
}

impl From<&ActorsConfig> for DomainConfig {
    fn from(config: &ActorsConfig) -> Self {
        Self {
            capacity: config.mailbox_capacity,
            passivate_after: Some(Duration::from_secs(config.passivate_seconds)),
            ..Self::default()
        }
    }
}

impl DomainConfig {
    /// The pause after the `count`th failure in a row.
    pub(super) fn backoff_after(&self, count: u32) -> Duration {
        let (min, max) = self.backoff;
        min.saturating_mul(1 << count.saturating_sub(1).min(20)).min(max)
    }
}

/// How an ordered stop went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrainReport {
    /// Actors that finished what they had.
    pub drained: usize,
    /// Actors that were cut off at the deadline.
    pub killed: usize,
    /// Actors that did not even hear that: a handler of theirs hogs its thread.
    pub stuck: usize,
}

/// All actors of one kind: started by id when needed, supervised, put away when idle. Cheap to
/// clone; usable from any thread.
pub struct Domain<B: Behavior> {
    shared: Arc<Shared<B>>,
    supervisor: Solo<Supervisor<B>>,
}

impl<B: Behavior> Clone for Domain<B> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), supervisor: self.supervisor.clone() }
    }
}

/// How often a message that met an actor just put away is routed anew before its sender hears of it.
/// Each time takes bad luck, so this is a guard against a loop and not a limit that is met.
const ROUTES: usize = 16;

impl<B: Behavior> Domain<B> {
    /// Starts the domain's supervisor (kind `<kind>_supervisor`) on one of the placement's threads.
    pub fn start(seed: B::Seed, config: DomainConfig, registry: &Registry, placement: &Arbiters) -> Self
    where
        B::Seed: Send,
    {
        let shared = Arc::new(Shared::new(seed, config, registry.clone(), placement.clone()));
        let supervisor = Solo::start_on(
            placement.next(),
            &format!("{}_supervisor", B::KIND),
            shared.clone(),
            B::KIND,
            Supervisor::<B>::config(),
            registry,
        );
        Self { shared, supervisor }
    }

    /// The actor's mailbox, if it is up. No supervisor hop.
    pub fn live(&self, id: &B::Id) -> Option<Mailbox<B>> {
        let entry = self.shared.table.get(id)?;
        (entry.ready && !entry.mailbox.is_closed()).then(|| entry.mailbox.clone())
    }

    /// The ids of all actors that are up or starting, in no order.
    pub fn ids(&self) -> Vec<B::Id> {
        self.shared.table.iter().map(|entry| entry.key().clone()).collect()
    }

    /// The actor's mailbox; starts it if it is not up, and waits for its first rebuild. Callers
    /// that come at once share one start.
    ///
    /// # Errors
    /// `NotFound` and `Unavailable` from the rebuild or while the actor is refused after crashing
    /// too often, `Timeout`, `Full` or `Closed` of the supervisor.
    pub async fn get(&self, id: &B::Id) -> Result<Mailbox<B>, AskError> {
        if let Some(mailbox) = self.live(id) {
            return Ok(mailbox);
        }
        self.supervisor.mailbox().ask(Start(id.clone()), self.shared.config.start_deadline).await?
    }

    /// Gets the actor and asks it, all within `deadline`.
    ///
    /// # Errors
    /// See [`AskError`].
    pub async fn ask<M: Request>(
        &self,
        id: &B::Id,
        message: M,
        deadline: Duration,
    ) -> Result<M::Answer, AskError>
    where
        B: Receive<M>,
    {
        let asked = async { self.route(id, message, Mailbox::ask_now).await?.await };
        tokio::time::timeout(deadline, asked).await.unwrap_or(Err(AskError::Timeout))
    }

    /// Gets the actor and tells it.
    ///
    /// # Errors
    /// As [`get`](Self::get), and `Full`.
    pub async fn tell<M: Request>(&self, id: &B::Id, message: M) -> Result<(), AskError>
    where
        B: Receive<M>,
    {
        self.route(id, message, Mailbox::tell).await
    }

    /// Delivers to whoever serves the id: an actor that was just put away hands the message back
    /// and it goes to the next one.
    async fn route<M: Request, R>(
        &self,
        id: &B::Id,
        mut message: M,
        send: impl Fn(&Mailbox<B>, M) -> Result<R, SendError<M>>,
    ) -> Result<R, AskError> {
        for _ in 0..ROUTES {
            let mailbox = self.get(id).await?;
            match send(&mailbox, message) {
                Ok(sent) => return Ok(sent),
                Err(SendError::Full(_)) => return Err(AskError::Full),
                Err(SendError::Closed(back)) => message = back,
            }
        }
        Err(AskError::Closed)
    }

    /// An operator's restart: the state is dropped and rebuilt at once, as after a crash but without
    /// counting as one. The queue survives; a question that was taken up and not answered ends in
    /// [`AskError::Crashed`].
    ///
    /// # Errors
    /// When there is no such live actor.
    pub fn restart(&self, id: &B::Id) -> Result<(), RestartError> {
        self.raise(id, signal::RESTART)
    }

    /// Puts the actor away now, if it is idle and willing.
    ///
    /// # Errors
    /// When there is no such live actor.
    pub fn passivate(&self, id: &B::Id) -> Result<(), RestartError> {
        self.raise(id, signal::PASSIVATE)
    }

    fn raise(&self, id: &B::Id, signal: u8) -> Result<(), RestartError> {
        let entry = self.shared.table.get(id).ok_or(RestartError::NotFound)?;
        entry.mailbox.cell().raise(signal);
        Ok(())
    }

    /// Stops the domain in order: refuses new messages, lets every actor serve what waits and run
    /// [`Behavior::stopping`], then stops the supervisor. What is left at `deadline` is cut off.
    pub async fn stop(&self, deadline: Duration) -> DrainReport {
        self.shared.stopping.store(true, Ordering::Release);
        let supervisor = self.supervisor.mailbox();
        // The supervisor keeps the deadline; a little more is for its own answer.
        let patience = deadline + Duration::from_secs(2);
        let report = match supervisor.ask(StopAll { deadline }, patience).await {
            Ok(report) => report,
            Err(_) => DrainReport { stuck: self.shared.table.len(), ..DrainReport::default() },
        };
        self.supervisor.stop(Duration::from_millis(200)).await;
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_doubles_up_to_its_bound() {
        let backoff = (Duration::from_millis(50), Duration::from_millis(1500));
        let config = DomainConfig { backoff, ..DomainConfig::default() };
        let pauses: Vec<_> = (0..8).map(|n| config.backoff_after(n).as_millis()).collect();
        assert_eq!(pauses, [50, 50, 100, 200, 400, 800, 1500, 1500]);
        assert_eq!(config.backoff_after(u32::MAX).as_millis(), 1500);
    }
}
