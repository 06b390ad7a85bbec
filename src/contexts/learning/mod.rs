//! Learning: courses, quizzes, grades, certificates.
//!
//! **Owns** courses and their published versions, enrolments and progress, banks of questions, attempts,
//! grades, hand-ins, certificates and the keys they are signed with; schema `learning`; the channel
//! `course:<id>`.
//!
//! **Emits** `course.*` (`course.completed` among them), `enrolment.*`, `attempt.*`, `submission.*`,
//! `certificate.*`, in the transaction of the change.
//!
//! **Never touches** files and rooms: bytes are [`crate::contexts::objects`]', held while a course needs
//! them; a course's room is opened through [`crate::contexts::chat`] by a consumer of our own events.
//!
//! # Versions
//! An instructor works at a draft. Publishing freezes it under a number; a learner keeps the version they
//! enrolled in, and may move to a later one. Items have the same id in every version, so what was reached
//! stays reached.

mod actors;
pub mod certificate;
mod channels;
mod consumers;
mod custody;
mod error;
mod forms;
pub mod handlers;
mod metrics;
mod model;
mod service;
mod store;
mod views;

use std::sync::Arc;

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

#[cfg(test)]
pub use actors::Poison;
pub use certificate::LazyFonts;
pub use channels::{Live, namespaces};
pub use consumers::consumers;
pub use error::LearningError;
pub use forms::{
    AccessForm, AnnouncementForm, AnswersForm, BankForm, CohortForm, CourseForm, CoursePatch, EnrolForm,
    GradeForm, ImportForm, LiveAnswerForm, LiveForm, ProgressForm, QuestionForm, RegradeForm, RevokeForm,
    SubmissionForm, SubmissionGradeForm,
};
pub use handlers::api;
pub use metrics::LearningMetrics;
pub use model::live::LiveQuizId;
pub use model::{
    ATTEMPT, AttemptId, AttemptState, BankId, CERTIFICATE, COURSE, CertificateId, CertificateState, CohortId,
    CourseId, CourseState, ENROLMENT, EnrolmentId, EnrolmentState, ItemId, PlacePaymentState, QuestionId,
    SUBMISSION, SubmissionId, SubmissionState, content, gift, grading, marking, paper, qti, quiz,
};
pub use service::{CourseQuery, DemoCast, LiveQuizzes, PublicCourse};
pub use views::{
    AnnouncementView, AttemptView, BankView, CertificateView, CohortView, CourseView, DraftView,
    EnrolmentView, ImportView, ItemView, LiveView, MarkedView, OutlineItem, OutlineModule, PlacePaymentView,
    ProgressView, QtiView, QuestionStatistics, QuestionView, QueueItem, SubmissionView, VerifyView,
};

use crate::{
    clock::Clock,
    contexts::{
        chat::People,
        ledger::{Ledger, LedgerError, PaymentSink},
        objects::Uploads,
    },
    ports::payments::Notice,
    postgres::{Conn, Database},
    signing::Signer,
};

/// What learning is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// Files and videos.
    pub uploads: Uploads,
    /// The money for paid places.
    pub ledger: Ledger,
    /// What people are called.
    pub people: Arc<dyn People>,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// Where the server is: the issuer of certificates.
    pub public_url: String,
    /// What documents are set in.
    pub fonts: LazyFonts,
    /// Where one counts.
    pub metrics: LearningMetrics,
}

/// Learning. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Learning {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    uploads: Uploads,
    ledger: Ledger,
    people: Arc<dyn People>,
    signer: Signer,
    clock: Clock,
    public_url: String,
    fonts: LazyFonts,
    metrics: LearningMetrics,
    /// Woken when a timer was set.
    jobs: Notify,
}

impl Learning {
    /// Sets the context up; nothing runs by itself. The server runs [`Learning::run_timers`].
    pub fn new(parts: Parts) -> Self {
        let Parts { database, uploads, ledger, people, signer, clock, public_url, fonts, metrics } = parts;
        let public_url = public_url.trim_end_matches('/').to_owned();
        let inner = Inner {
            database,
            uploads,
            ledger,
            people,
            signer,
            clock,
            public_url,
            fonts,
            metrics,
            jobs: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    async fn conn(&self) -> Result<Conn, LearningError> {
        Ok(self.inner.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }
}

impl PaymentSink for Learning {
    fn apply<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        notice: &'a Notice,
    ) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async move {
            self.apply_notice(conn, notice).await.map_err(|error| match error {
                LearningError::Ledger(error) => error,
                LearningError::Db(error) => error.into(),
                other => LedgerError::NotApplied(Box::new(other)),
            })
        })
    }
}
