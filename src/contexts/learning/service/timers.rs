//! The worker behind `learning.timers`.

use std::time::Duration;

use super::{documents, places::PAYMENT};
use crate::{
    contexts::learning::{
        Learning, LearningError,
        model::{ATTEMPT, AttemptId, CERTIFICATE, CertificateId, EnrolmentId, Timer},
        store::timers,
    },
    error::Fault,
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// How often timers are looked at when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(1);
/// Timers taken at once.
const BATCH: i64 = 20;
/// The longest pause between two attempts, in seconds.
const MOST: i64 = 3_600;

impl Learning {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_timers(self) {
        loop {
            match self.tick().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(LOOK, self.inner.jobs.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::warn!(log(), "timers cannot be read"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Does what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When timers cannot be read. A timer that fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, LearningError> {
        let due = timers::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        for timer in &due {
            let done = correlation::scope(CorrelationId::fresh(), self.fire(timer)).await;
            let Err(error) = done else { continue };
            let until =
                self.now() + chrono::Duration::seconds((1_i64 << timer.attempts.clamp(0, 12)).min(MOST));
            slog::warn!(log(), "a timer failed and is put off";
                "machine" => &timer.machine, "task" => &timer.task, "entity" => %timer.entity_id,
                "kind" => error.kind().slug(), "error" => %error);
            timers::put_off(&mut *self.conn().await?, timer.id, until, &error.to_string()).await?;
        }
        Ok(due.len())
    }

    async fn fire(&self, timer: &Timer) -> Result<(), LearningError> {
        if timer.machine == ATTEMPT.name && timer.task == "run_out" {
            return self.run_out(timer.id, AttemptId(timer.entity_id)).await;
        }
        if timer.machine == CERTIFICATE.name && timer.task == documents::TASK {
            return self.document_due(timer.id, CertificateId(timer.entity_id)).await;
        }
        let (id, again) = (timer.entity_id, timer.attempts > 1);
        match (timer.machine.as_str(), timer.task.as_str()) {
            (PAYMENT, "create") => return self.ask_provider(id).await,
            (PAYMENT, "release") => return self.pay_instructor(timer.id, again, id).await,
            (PAYMENT, "return") => return self.send_back(timer.id, again, id).await,
            ("enrolment", "lapse") => return self.lapse(timer.id, EnrolmentId(id)).await,
            _ => {}
        }
        slog::warn!(log(), "a timer of an unknown sort"; "machine" => &timer.machine, "task" => &timer.task);
        timers::consume(&mut *self.conn().await?, timer.id).await?;
        Ok(())
    }
}
