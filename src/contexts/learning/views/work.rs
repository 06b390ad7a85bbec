//! What is shown of what learners do and instructors mark.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    contexts::learning::model::{
        AttemptId, AttemptState, EnrolmentId, ItemId, Submission, SubmissionId, SubmissionState,
        marking::{Answer, Answers, Mark},
        paper::Asked,
        quiz::Question,
    },
    principal::UserId,
};

/// An attempt at a quiz.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AttemptView {
    /// Its id.
    pub id: AttemptId,
    /// Whose.
    pub enrolment_id: EnrolmentId,
    /// The quiz.
    pub item_id: ItemId,
    /// From 1.
    pub number: i32,
    /// Where it is.
    pub state: AttemptState,
    /// What is asked; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paper: Option<Vec<Asked>>,
    /// The answers that are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<std::collections::HashMap<String, Answer>>)]
    pub answers: Option<Answers>,
    /// Until when, by the server's clock. A grace period for slow networks follows.
    pub deadline_at: Option<DateTime<Utc>>,
    /// The server's clock.
    pub now: DateTime<Utc>,
    /// In hundredths of points, once it is graded.
    pub score: Option<i64>,
    /// Points at most, in hundredths.
    pub max_score: i64,
    /// What each answer was worth, and, once released, what was right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub marks: Option<Vec<MarkedView>>,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When it was handed in.
    pub submitted_at: Option<DateTime<Utc>>,
}

/// What an answer was worth.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MarkedView {
    /// Its place on the paper.
    pub place: usize,
    /// The mark.
    #[serde(flatten)]
    pub mark: Mark,
    /// The question with its answer and feedback, once it is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub solution: Option<Question>,
}

/// What was handed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SubmissionView {
    /// Its id.
    pub id: SubmissionId,
    /// Whose.
    pub enrolment_id: EnrolmentId,
    /// For what.
    pub item_id: ItemId,
    /// The text.
    pub body: String,
    /// The uploads.
    pub files: Vec<Uuid>,
    /// So many seconds late; 0 in time.
    pub late_seconds: i64,
    /// Where it is.
    pub state: SubmissionState,
    /// In hundredths of a percent, lateness taken off.
    pub score: Option<i32>,
    /// Points by criterion.
    pub points: Option<serde_json::Value>,
    /// What the instructor said.
    pub note: Option<String>,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<&Submission> for SubmissionView {
    fn from(one: &Submission) -> Self {
        Self {
            id: one.id,
            enrolment_id: one.enrolment_id,
            item_id: one.item_id,
            body: one.body.clone(),
            files: one.files.clone(),
            late_seconds: one.late_s,
            state: one.state,
            score: one.score,
            points: one.rubric.clone(),
            note: one.note.clone(),
            version: one.version,
            created_at: one.created_at,
        }
    }
}

/// Something that waits for an instructor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QueueItem {
    /// `attempt` or `submission`.
    pub kind: String,
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub enrolment_id: EnrolmentId,
    /// Who.
    pub student_id: UserId,
    /// Which item.
    pub item_id: ItemId,
    /// Since when.
    pub since: DateTime<Utc>,
}
