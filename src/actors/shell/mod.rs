//! The actix actor that owns a behaviour's state, catches its panics and rebuilds it.
//!
//! The shell is a small state machine ([`Phase`]). Two actix futures drive it:
//!
//! - [`Pump`] runs for the actor's whole life, beside its messages: spawned work, timers, signals.
//! - [`Hold`] runs through `ctx.wait`, which keeps actix from taking the next message out of the
//!   mailbox, while there is no state to give it to (building, backing off), while the behaviour
//!   wants it so ([`Cx::wait`](super::Cx::wait)), or to let other actors of the thread run.
//!
//! Signals come past the mailbox and are heard in both, so that an operator can restart an actor
//! that waits for something that never comes.

mod life;
mod watch;

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix::{Actor, AsyncContext, Handler, fut::ActorFuture};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture};
use tokio::time::{Instant, Sleep};

use super::{
    Behavior, Cx, DomainConfig, Mailbox, RebuildError, Receive, Request,
    cell::{Exit, signal},
    cx::{Finished, Work},
    mailbox::{Content, Deliver},
    panics::guarded,
    reply::Reply,
};
use crate::telemetry::{correlation::CorrelationId, log, tracing::Span};

/// After so many messages in a row the shell lets others of its thread run.
const BURST: u32 = 64;

/// What happens when a shell is up for the first time, and when it is gone. `gone` is called
/// however the shell ends, even if its thread never came to run it.
pub(super) struct Hooks {
    pub ready: Option<Box<dyn FnOnce() + Send>>,
    pub gone: Option<Box<dyn FnOnce(Exit) + Send>>,
    pub cell: std::sync::Arc<super::cell::Cell>,
}

impl Drop for Hooks {
    fn drop(&mut self) {
        self.cell.end(Exit::Lost); // keeps an earlier reason
        if let Some(gone) = self.gone.take() {
            gone(self.cell.exit().unwrap_or(Exit::Lost));
        }
    }
}

enum Phase<B> {
    Building(LocalBoxFuture<'static, Result<B, RebuildError>>),
    BackingOff(Pin<Box<Sleep>>),
    Running(B),
    Stopped,
}

/// See the module.
pub(super) struct Shell<B: Behavior> {
    // Dropped in this order: what the behaviour owns first, `hooks` (which tell of the end) last.
    phase: Phase<B>,
    work: Work<B>,
    mailbox: Mailbox<B>,
    seed: B::Seed,
    config: DomainConfig,
    /// A `Hold` is in place.
    held: bool,
    /// Messages handled in a row.
    burst: u32,
    yield_due: bool,
    draining: bool,
    /// When an actor that stops itself is cut off.
    drain_by: Option<Pin<Box<Sleep>>>,
    /// When it crashed, within the intensity window.
    crashes: VecDeque<Instant>,
    /// Rebuilds that failed in a row.
    failures: u32,
    incarnations: u64,
    /// Something happened since the last observation.
    active: bool,
    /// `tick` is set for an observation, not for passivation.
    observation_due: bool,
    last_active: Instant,
    tick: Option<Pin<Box<Sleep>>>,
    hooks: Hooks,
}

impl<B: Behavior> Unpin for Shell<B> {}

type ShellContext<B> = actix::Context<Shell<B>>;

struct Pump;
struct Hold;

impl<B: Behavior> Actor for Shell<B> {
    type Context = ShellContext<B>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Pump);
        self.hold(ctx);
    }
}

impl<B: Behavior> ActorFuture<Shell<B>> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        shell: &mut Shell<B>,
        ctx: &mut ShellContext<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        // While a `Hold` is in place, it does this work.
        if !shell.held && !matches!(shell.phase, Phase::Stopped) {
            shell.burst = 0;
            shell.obey(ctx, cx);
            shell.background(ctx, cx);
            shell.settle(ctx);
        }
        Poll::Pending
    }
}

impl<B: Behavior> ActorFuture<Shell<B>> for Hold {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        shell: &mut Shell<B>,
        ctx: &mut ShellContext<B>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        ready!(shell.poll_hold(ctx, cx));
        shell.held = false;
        shell.burst = 0;
        Poll::Ready(())
    }
}

/// A type's own name: `Send` of `…::messages::Send`.
fn last_word<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let end = name.find('<').unwrap_or(name.len());
    name[..end].rsplit("::").next().unwrap_or(name)
}

impl<B: Receive<M>, M: Request> Handler<Deliver<M>> for Shell<B> {
    type Result = ();

    fn handle(&mut self, mut deliver: Deliver<M>, ctx: &mut ShellContext<B>) {
        let Self { phase, work, mailbox, .. } = self;
        let Phase::Running(state) = phase else { return }; // dropped as dead
        let Some(Content { message, answer, correlation, queued_at }) = deliver.content.take() else {
            return;
        };
        mailbox.cell().handling(queued_at);
        let reply = Reply::new(answer, mailbox.cell());
        // The turn, as part of whatever trace the message belongs to; what it starts belongs to the turn.
        let span = correlation.as_ref().and_then(|id| {
            Span::within(id, || format!("{} {}", mailbox.cell().kind.name, last_word::<M>()).into())
        });
        let correlation = match &span {
            Some(span) => correlation.map(|id| id.under(span.context())),
            None => correlation,
        };
        let correlation = correlation.as_ref();
        let turn = guarded(correlation, || {
            state.receive(message, reply, &mut Cx { mailbox, work, correlation });
        });
        if let Some(mut span) = span
            && turn.is_err()
        {
            span.fail();
        }
        self.turn_over(turn, ctx);
        self.burst += 1;
        if self.burst >= BURST {
            self.yield_due = true;
        }
        self.settle(ctx);
    }
}

impl<B: Behavior> Shell<B> {
    pub fn new(mailbox: Mailbox<B>, seed: B::Seed, config: DomainConfig, hooks: Hooks) -> Self {
        let mut shell = Self {
            phase: Phase::Stopped,
            work: Work::default(),
            mailbox,
            seed,
            config,
            held: false,
            burst: 0,
            yield_due: false,
            draining: false,
            drain_by: None,
            crashes: VecDeque::new(),
            failures: 0,
            incarnations: 0,
            active: false,
            observation_due: false,
            last_active: Instant::now(),
            tick: None,
            hooks,
        };
        shell.build();
        shell
    }

    // --- being driven ---

    fn hold(&mut self, ctx: &mut ShellContext<B>) {
        if !self.held {
            self.held = true;
            ctx.wait(Hold);
        }
    }

    /// Keeps the mailbox shut if there is a reason.
    fn settle(&mut self, ctx: &mut ShellContext<B>) {
        let free = matches!(self.phase, Phase::Running(_)) && self.work.holds.is_empty() && !self.yield_due;
        if !free && !matches!(self.phase, Phase::Stopped) {
            self.hold(ctx);
        }
    }

    fn poll_hold(&mut self, ctx: &mut ShellContext<B>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.obey(ctx, cx);
            match &mut self.phase {
                Phase::Stopped => return Poll::Ready(()),
                Phase::BackingOff(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.build();
                }
                Phase::Building(future) => match guarded(None, || future.as_mut().poll(cx)) {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(Ok(state))) => self.run(state, ctx),
                    Ok(Poll::Ready(Err(error))) => self.not_built(error, ctx),
                    Err(panic) => {
                        self.mailbox.cell().crashed(panic.clone());
                        self.not_built(RebuildError::Failed(panic), ctx);
                    }
                },
                Phase::Running(_) => {
                    self.background(ctx, cx);
                    if !matches!(self.phase, Phase::Running(_)) {
                        continue;
                    }
                    if let Some(task) = self.work.holds.front_mut() {
                        match guarded(None, || task.poll_unpin(cx)) {
                            Ok(Poll::Pending) => return Poll::Pending,
                            Ok(Poll::Ready(finished)) => {
                                drop(self.work.holds.pop_front());
                                self.call_back(finished, ctx);
                            }
                            Err(panic) => self.crash(panic, ctx),
                        }
                    } else if self.yield_due {
                        self.yield_due = false;
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    } else {
                        return Poll::Ready(());
                    }
                }
            }
        }
    }

    /// Takes up signals.
    fn obey(&mut self, ctx: &mut ShellContext<B>, cx: &mut Context<'_>) {
        let mut signals = self.mailbox.cell().signals(cx.waker());
        if self.drain_by.as_mut().is_some_and(|by| by.as_mut().poll(cx).is_ready()) {
            self.drain_by = None;
            signals |= signal::KILL;
        }
        if signals == 0 || matches!(self.phase, Phase::Stopped) {
            return;
        }
        if signals & signal::KILL != 0 {
            return self.finish(Exit::Killed, ctx);
        }
        if signals & signal::STOP != 0 {
            self.drain();
        }
        if signals & signal::RESTART != 0 {
            slog::info!(log(), "actor restarted by an operator";
                "kind" => &self.mailbox.cell().kind.name, "id" => &self.mailbox.cell().id);
            self.drop_incarnation();
            self.failures = 0;
            self.build();
        }
        if signals & signal::PASSIVATE != 0 {
            self.try_passivate(ctx);
        }
        self.stop_if_drained(ctx);
    }

    /// Spawned work, timers, and the end of an ordered stop.
    fn background(&mut self, ctx: &mut ShellContext<B>, cx: &mut Context<'_>) {
        let mut left = BURST;
        while !self.work.tasks.is_empty() && matches!(self.phase, Phase::Running(_)) {
            if left == 0 {
                cx.waker().wake_by_ref();
                break;
            }
            left -= 1;
            match guarded(None, || self.work.tasks.poll_next_unpin(cx)) {
                Ok(Poll::Ready(Some(finished))) => {
                    self.work.busy -= usize::from(!finished.timer);
                    self.call_back(finished, ctx);
                }
                Ok(Poll::Ready(None) | Poll::Pending) => break,
                Err(panic) => self.crash(panic, ctx),
            }
        }
        while let Some(tick) = &mut self.tick {
            if !matches!(self.phase, Phase::Running(_)) || tick.as_mut().poll(cx).is_pending() {
                break;
            }
            self.tick(ctx);
        }
        self.stop_if_drained(ctx);
    }

    fn call_back(&mut self, finished: Finished<B>, ctx: &mut ShellContext<B>) {
        let Finished { then, correlation, .. } = finished;
        let correlation = correlation.as_ref();
        let turn = self.with_state(correlation, then);
        self.turn_over(turn, ctx);
    }

    fn with_state(
        &mut self,
        correlation: Option<&CorrelationId>,
        work: impl FnOnce(&mut B, &mut Cx<'_, B>),
    ) -> Result<(), String> {
        let Self { phase, work: under_way, mailbox, .. } = self;
        let Phase::Running(state) = phase else { return Ok(()) };
        guarded(correlation, || work(state, &mut Cx { mailbox, work: under_way, correlation }))
    }

    /// After behaviour code ran.
    fn turn_over(&mut self, turn: Result<(), String>, ctx: &mut ShellContext<B>) {
        if let Err(panic) = turn {
            return self.crash(panic, ctx);
        }
        if std::mem::take(&mut self.work.stop) && !self.draining {
            self.drain();
            self.drain_by = Some(Box::pin(tokio::time::sleep(self.config.drain_within)));
        }
        self.active = true;
        if !self.observation_due {
            self.observation_due = true;
            self.set_tick(self.config.observe_every);
        }
    }
}
