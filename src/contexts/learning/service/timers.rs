//! What `learning.timers` makes happen.

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::{documents, places::PAYMENT};
use crate::{
    contexts::learning::{
        Learning, LearningError,
        model::{ATTEMPT, AttemptId, CERTIFICATE, CertificateId, ENROLMENT, EnrolmentId},
        store::TIMERS,
    },
    machine::timers::{self, Timed, Timer, Timers},
    postgres::Database,
};

impl Timed for Learning {
    type Error = LearningError;
    const TIMERS: Timers = TIMERS;

    fn database(&self) -> &Database {
        &self.inner.database
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.clock.now()
    }

    fn woken(&self) -> &Notify {
        &self.inner.jobs
    }

    async fn fire(&self, timer: &Timer) -> Result<(), LearningError> {
        let (id, again) = (timer.entity_id, timer.attempts > 1);
        match (timer.machine.as_str(), timer.task.as_str()) {
            (machine, "run_out") if machine == ATTEMPT.name => self.run_out(timer.id, AttemptId(id)).await,
            (machine, documents::TASK) if machine == CERTIFICATE.name => {
                self.document_due(timer.id, CertificateId(id)).await
            }
            (machine, "lapse") if machine == ENROLMENT.name => self.lapse(timer.id, EnrolmentId(id)).await,
            (PAYMENT, "create") => self.ask_provider(id).await,
            (PAYMENT, "release") => self.pay_instructor(timer.id, again, id).await,
            (PAYMENT, "return") => self.send_back(timer.id, again, id).await,
            _ => timers::forget(self, timer).await,
        }
    }
}

impl Learning {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_timers(self) {
        timers::run(&self).await;
    }

    /// Does what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When timers cannot be read. A timer that fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, LearningError> {
        timers::tick(self).await
    }
}
