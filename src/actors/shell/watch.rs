//! What a shell does about time: it refreshes what operators see, and notices that it is idle.

use std::time::Duration;

use tokio::time::Instant;

use super::{Phase, Shell, ShellContext};
use crate::actors::{Behavior, panics::guarded};

impl<B: Behavior> Shell<B> {
    pub(super) fn set_tick(&mut self, delay: Duration) {
        let at = Instant::now() + delay;
        match &mut self.tick {
            Some(tick) => tick.as_mut().reset(at),
            None => self.tick = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    pub(super) fn tick(&mut self, ctx: &mut ShellContext<B>) {
        self.observation_due = false;
        if std::mem::take(&mut self.active) {
            self.observe();
            self.last_active = Instant::now();
        } else {
            self.try_passivate(ctx);
        }
        match self.config.passivate_after {
            Some(idle) if matches!(self.phase, Phase::Running(_)) => {
                self.set_tick(idle.max(Duration::from_millis(1)))
            }
            _ => self.tick = None,
        }
    }

    /// Refreshes what operators see. A panic here is noted and does not cost the state.
    pub(super) fn observe(&self) {
        let Phase::Running(state) = &self.phase else { return };
        match guarded(None, || serde_json::to_string(&state.observe())) {
            Ok(Ok(text)) => self.mailbox.cell().set_state(text.into()),
            Ok(Err(error)) => {
                let text = serde_json::Value::from(error.to_string()).to_string();
                self.mailbox.cell().set_state(text.into());
            }
            Err(panic) => self.mailbox.cell().note_panic(panic),
        }
    }
}
