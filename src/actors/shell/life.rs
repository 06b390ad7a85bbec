//! How a shell's incarnations come and go: crash, backoff, rebuild; drain, passivation, end.

use std::time::Duration;

use actix::ActorContext;
use tokio::time::Instant;

use super::{Phase, Shell, ShellContext};
use crate::{
    actors::{
        Behavior, RebuildError,
        cell::Exit,
        observation::ActorStatus,
        panics::{drop_guarded, guarded},
    },
    telemetry::log,
};

impl<B: Behavior> Shell<B> {
    pub(super) fn crash(&mut self, panic: String, ctx: &mut ShellContext<B>) {
        let (limit, window) = self.config.intensity;
        let now = Instant::now();
        self.crashes.push_back(now);
        while self.crashes.front().is_some_and(|at| now.duration_since(*at) > window) {
            self.crashes.pop_front();
        }
        let many = u32::try_from(self.crashes.len()).unwrap_or(u32::MAX);
        let backoff = self.config.backoff_after(many);
        slog::warn!(log(), "actor crashed";
            "kind" => &self.mailbox.cell().kind.name, "id" => &self.mailbox.cell().id, "panic" => &panic,
            "crashes" => many, "limit" => limit, "backoff_ms" => u64::try_from(backoff.as_millis()).ok());
        self.mailbox.cell().crashed(panic);
        self.drop_incarnation();
        if many > limit {
            self.finish(Exit::TooManyCrashes { retry_after: self.config.backoff.1 }, ctx);
        } else {
            self.back_off(backoff);
        }
    }

    /// Drops the state and all it has under way. Unanswered askers hear `Crashed`.
    pub(super) fn drop_incarnation(&mut self) {
        let phase = std::mem::replace(&mut self.phase, Phase::Stopped);
        let work = std::mem::take(&mut self.work);
        for dropped in [drop_guarded(work), drop_guarded(phase)] {
            if let Err(panic) = dropped {
                self.mailbox.cell().note_panic(panic);
            }
        }
        self.yield_due = false;
    }

    pub(super) fn back_off(&mut self, delay: Duration) {
        self.phase = Phase::BackingOff(Box::pin(tokio::time::sleep(delay)));
        self.mailbox.cell().set_status(ActorStatus::BackingOff);
    }

    pub(super) fn build(&mut self) {
        let (seed, id) = (self.seed.clone(), self.mailbox.id().clone());
        let within = self.config.rebuild_within;
        self.phase = Phase::Building(Box::pin(async move {
            let late = |_| RebuildError::Unavailable("the rebuild took too long".to_owned());
            tokio::time::timeout(within, B::rebuild(seed, id)).await.map_err(late)?
        }));
        self.mailbox.cell().set_status(ActorStatus::Building);
    }

    pub(super) fn run(&mut self, state: B, ctx: &mut ShellContext<B>) {
        self.phase = Phase::Running(state);
        self.failures = 0;
        self.incarnations += 1;
        if self.incarnations > 1 {
            self.mailbox.cell().restarted();
        }
        self.mailbox.cell().set_status(match self.draining {
            true => ActorStatus::Stopping,
            false => ActorStatus::Running,
        });
        let turn = self.with_state(None, |state, cx| state.started(cx));
        self.turn_over(turn, ctx);
        if matches!(self.phase, Phase::Running(_)) {
            self.observe();
            if let Some(ready) = self.hooks.ready.take() {
                ready();
            }
        }
    }

    pub(super) fn not_built(&mut self, error: RebuildError, ctx: &mut ShellContext<B>) {
        self.drop_incarnation();
        if error == RebuildError::NotFound {
            return self.finish(Exit::NotFound, ctx);
        }
        self.failures += 1;
        let retry_after = self.config.backoff_after(self.failures);
        slog::warn!(log(), "actor could not be rebuilt";
            "kind" => &self.mailbox.cell().kind.name, "id" => &self.mailbox.cell().id,
            "error" => %error, "attempt" => self.failures);
        if self.failures >= self.config.rebuild_attempts.max(1) {
            self.finish(Exit::RebuildFailed { retry_after }, ctx);
        } else {
            self.back_off(retry_after);
        }
    }

    pub(super) fn drain(&mut self) {
        self.draining = true;
        self.mailbox.cell().close();
        self.mailbox.cell().set_status(ActorStatus::Stopping);
    }

    /// An ordered stop is over when nothing waits, nothing runs, and no reply is left that the
    /// actor may still send: with a timer set it may (a batch that is not yet due); without one only
    /// `stopping` can.
    pub(super) fn stop_if_drained(&mut self, ctx: &mut ShellContext<B>) {
        if self.draining && self.mailbox.cell().depth() == 0 {
            let done = match &self.phase {
                Phase::Running(_) => self.is_idle() || self.is_inert(),
                Phase::Building(_) | Phase::BackingOff(_) => true,
                Phase::Stopped => false,
            };
            if done {
                self.finish(Exit::Stopped, ctx);
            }
        }
    }

    fn is_inert(&self) -> bool {
        self.work.tasks.is_empty() && self.work.holds.is_empty()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.work.busy == 0 && self.work.holds.is_empty() && self.mailbox.cell().unanswered() == 0
    }

    pub(super) fn try_passivate(&mut self, ctx: &mut ShellContext<B>) {
        let Phase::Running(state) = &self.phase else { return };
        let willing = self.is_idle() && guarded(None, || state.may_passivate()).unwrap_or(false);
        if willing && self.mailbox.cell().close_if_empty() {
            self.finish(Exit::Passivated, ctx);
        }
    }

    pub(super) fn finish(&mut self, exit: Exit, ctx: &mut ShellContext<B>) {
        let cell = self.mailbox.cell();
        cell.end(exit);
        if exit == Exit::Passivated {
            cell.kind.passivated.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        if let Phase::Running(state) = &mut self.phase
            && let Err(panic) = guarded(None, || state.stopping())
        {
            self.mailbox.cell().crashed(panic);
        }
        self.drop_incarnation();
        ctx.stop();
    }
}
