//! One supervised actor without a domain, and how any shell is put on a thread.

use std::{sync::Arc, time::Duration};

use actix::{Addr, ArbiterHandle, Context, dev::channel};
use tokio::sync::watch;

use super::{
    Behavior, DomainConfig, Mailbox, PanicReport, Registry,
    cell::{Cell, Exit, signal},
    mailbox::Core,
    shell::{Hooks, Shell},
};

/// A singleton, or an actor that each worker has one of: same shell, mailbox and observation as in
/// a [`Domain`](super::Domain), on the thread that starts it. Its state and seed need not be `Send`.
///
/// There is no supervisor to start it afresh: past its intensity limit it is gone, so give it a
/// generous one. It is never passivated for idleness.
pub struct Solo<B: Behavior> {
    mailbox: Mailbox<B>,
    gone: watch::Receiver<bool>,
}

impl<B: Behavior> Clone for Solo<B> {
    fn clone(&self) -> Self {
        Self { mailbox: self.mailbox.clone(), gone: self.gone.clone() }
    }
}

/// How long a killed actor may take to be gone.
const GRACE: Duration = Duration::from_millis(500);

impl<B: Behavior> Solo<B> {
    /// Starts it on the current thread, which must run an actix arbiter. Its state is built (by
    /// [`Behavior::rebuild`] from the seed) in the background; messages wait for it.
    pub fn start(seed: B::Seed, id: B::Id, config: DomainConfig, registry: &Registry) -> Self {
        let config = DomainConfig { passivate_after: None, ..config };
        let (solo, launch) = Self::prepare(B::KIND, id, config, registry);
        launch.start_here(seed);
        solo
    }

    /// The same on a given thread.
    pub(super) fn start_on(
        arbiter: &ArbiterHandle,
        kind: &str,
        seed: B::Seed,
        id: B::Id,
        config: DomainConfig,
        registry: &Registry,
    ) -> Self
    where
        B::Seed: Send,
    {
        let (solo, launch) = Self::prepare(kind, id, config, registry);
        launch.start_on(arbiter, seed);
        solo
    }

    fn prepare(kind: &str, id: B::Id, config: DomainConfig, registry: &Registry) -> (Self, Launch<B>) {
        let mut launch = Launch::prepare(kind, id, config, registry, None);
        let (sender, gone) = watch::channel(false);
        launch.hooks.gone = Some(Box::new(move |_| {
            sender.send_replace(true);
        }));
        (Self { mailbox: launch.mailbox.clone(), gone }, launch)
    }

    /// Its mailbox.
    pub const fn mailbox(&self) -> &Mailbox<B> {
        &self.mailbox
    }

    /// Stops it in order: refuses new messages, serves those that wait, runs
    /// [`Behavior::stopping`]. What is left at `deadline` is dropped. Says whether it ended in
    /// order.
    pub async fn stop(&self, deadline: Duration) -> bool {
        let cell = self.mailbox.cell();
        cell.close();
        cell.raise(signal::STOP);
        let mut gone = self.gone.clone();
        let drained = tokio::time::timeout(deadline, gone.wait_for(|gone| *gone)).await.is_ok();
        if !drained {
            cell.raise(signal::KILL);
            let _ = tokio::time::timeout(GRACE, gone.wait_for(|gone| *gone)).await;
        }
        drained && cell.exit() == Some(Exit::Stopped)
    }
}

/// A shell that is about to be put on a thread: messages can be sent to its mailbox already.
/// Dropped unstarted, it reports itself as gone.
pub(super) struct Launch<B: Behavior> {
    pub mailbox: Mailbox<B>,
    pub hooks: Hooks,
    receiver: channel::AddressReceiver<Shell<B>>,
    config: DomainConfig,
}

impl<B: Behavior> Launch<B> {
    pub fn prepare(
        kind: &str,
        id: B::Id,
        config: DomainConfig,
        registry: &Registry,
        last_panic: Option<PanicReport>,
    ) -> Self {
        let cell = Cell::new(registry, kind, id.to_string(), config.capacity, last_panic);
        // 0: actix sets no bound; the gate does.
        let (sender, receiver) = channel::channel(0);
        let core = Core { cell: cell.clone(), id, addr: Addr::new(sender) };
        let hooks = Hooks { ready: None, gone: None, cell };
        Self { mailbox: Mailbox(Arc::new(core)), hooks, receiver, config }
    }

    pub fn start_here(self, seed: B::Seed) {
        let Self { mailbox, hooks, receiver, config } = self;
        let shell = Shell::new(mailbox, seed, config, hooks);
        actix::spawn(Context::with_receiver(receiver).into_future(shell));
    }

    pub fn start_on(self, arbiter: &ArbiterHandle, seed: B::Seed)
    where
        B::Seed: Send,
    {
        // On an arbiter that has ended, the closure is dropped, and the hooks tell of it.
        arbiter.spawn_fn(move || self.start_here(seed));
    }
}
