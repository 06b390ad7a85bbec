//! What is shown of places in courses, of what is paid for them, and of how far somebody is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contexts::learning::{
        model::{
            Cohort, CohortId, CourseId, Enrolment, EnrolmentId, EnrolmentState, ItemId, PlacePayment,
            PlacePaymentState, Progress,
        },
        views::{AttemptView, SubmissionView},
    },
    contexts::objects::DownloadView,
    money::Money,
    principal::UserId,
};

/// Somebody's place in a course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EnrolmentView {
    /// Its id.
    pub id: EnrolmentId,
    /// The course.
    pub course_id: CourseId,
    /// The version that the learner has.
    pub number: i32,
    /// Whether a later one is published: `move` takes it.
    pub newer: bool,
    /// Who learns.
    pub student_id: UserId,
    /// Where it is.
    pub state: EnrolmentState,
    /// Done of required items, in percent.
    pub percent: u8,
    /// The grade so far, in hundredths of a percent.
    pub grade: i64,
    /// Item by item; left out in lists.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ProgressView>,
    /// More time in quizzes, in percent.
    pub extra_time_percent: i32,
    /// Due dates so many hours later.
    pub extension_hours: i32,
    /// The cohort, if one learns in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cohort_id: Option<CohortId>,
    /// When the cohort begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// What the place costs, as agreed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Of a paid place, for the learner: the latest payment. A `pending` one is completed with its
    /// secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PlacePaymentView>,
    /// Until when withdrawing gives the money back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_until: Option<DateTime<Utc>>,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it was completed.
    pub completed_at: Option<DateTime<Utc>>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

/// A payment for a place.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PlacePaymentView {
    /// Our id of it.
    pub id: Uuid,
    /// `sandbox` or `stripe`.
    pub provider: String,
    /// The provider's id.
    pub provider_ref: Option<String>,
    /// What the browser completes it with, where the provider wants that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Where it is.
    pub state: PlacePaymentState,
}

impl From<PlacePayment> for PlacePaymentView {
    fn from(payment: PlacePayment) -> Self {
        let open = payment.state == PlacePaymentState::Pending;
        Self {
            id: payment.id,
            provider: payment.provider,
            provider_ref: payment.provider_ref,
            client_secret: payment.client_secret.filter(|_| open),
            state: payment.state,
        }
    }
}

/// A cohort of a course.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CohortView {
    /// Its id.
    pub id: CohortId,
    /// The course.
    pub course_id: CourseId,
    /// What it is called.
    pub title: String,
    /// Items can be taken from then on.
    pub starts_at: DateTime<Utc>,
    /// Nobody joins from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<DateTime<Utc>>,
    /// How many may join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub places: Option<i32>,
    /// How many have.
    pub taken: i64,
    /// Everybody's due dates so many hours later.
    pub extension_hours: i32,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl CohortView {
    pub(in crate::contexts::learning) fn of(cohort: Cohort, taken: i64) -> Self {
        Self {
            id: cohort.id,
            course_id: cohort.course_id,
            title: cohort.title,
            starts_at: cohort.starts_at,
            closes_at: cohort.closes_at,
            places: cohort.places,
            taken,
            extension_hours: cohort.extension,
            version: cohort.version,
            created_at: cohort.created_at,
            updated_at: cohort.updated_at,
        }
    }
}

/// How far somebody is with an item.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ProgressView {
    /// The item.
    pub item_id: ItemId,
    /// Its title.
    pub title: String,
    /// `text`, `video`, …
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether the course needs it.
    pub required: bool,
    /// Whether it can be taken now.
    pub unlocked: bool,
    /// Whether it was opened.
    pub viewed: bool,
    /// Watched to so many percent.
    pub watched_percent: i32,
    /// Where to go on, in seconds.
    pub position_seconds: i32,
    /// In hundredths of a percent, if it has one.
    pub score: Option<i32>,
    /// Until when it is due.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was done.
    pub done_at: Option<DateTime<Utc>>,
}

impl ProgressView {
    pub(in crate::contexts::learning) fn blank(enrolment: &Enrolment, item: ItemId) -> Progress {
        Progress {
            enrolment_id: enrolment.id,
            item_id: item,
            viewed: false,
            watched: 0,
            position_s: 0,
            submitted: false,
            score: None,
            done_at: None,
            updated_at: enrolment.created_at,
        }
    }
}

/// An item, to take.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ItemView {
    /// Its id.
    pub id: ItemId,
    /// Its title.
    pub title: String,
    /// `text`, `video`, `file`, `quiz`, `assignment`, `live`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Of text and assignment: HTML that a page may show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// Of video and file: a link that expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<DownloadView>,
    /// Of a video: captions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub captions: Option<DownloadView>,
    /// Of a live session: where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of a live session: when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// Of a quiz: the attempts so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Vec<AttemptView>>,
    /// Of a quiz: attempts that are left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts_left: Option<u16>,
    /// Of an assignment: what was handed in, the latest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submissions: Option<Vec<SubmissionView>>,
    /// How far one is.
    pub progress: ProgressView,
}
