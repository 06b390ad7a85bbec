//! The things themselves, as they are stored.

use chrono::{DateTime, Utc};
use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Binary, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    AttemptId, AttemptState, CertificateId, CertificateState, CohortId, CourseId, CourseState, EnrolmentId,
    EnrolmentState, ItemId, PlacePaymentState, SubmissionId, SubmissionState,
};
use crate::{
    contexts::{
        learning::{LearningError, model::content::DueDate},
        ledger::LedgerError,
        objects::UploadId,
    },
    money::Money,
    principal::UserId,
};

/// A course.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Course {
    #[diesel(sql_type = SqlUuid)]
    pub id: CourseId,
    #[diesel(sql_type = SqlUuid)]
    pub owner_id: UserId,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub summary: String,
    #[diesel(sql_type = Array<SqlUuid>)]
    pub prerequisites: Vec<CourseId>,
    #[diesel(sql_type = Text)]
    pub state: CourseState,
    #[diesel(sql_type = Jsonb)]
    pub draft: Value,
    #[diesel(sql_type = Integer)]
    pub published: i32,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub price_minor: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub currency: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// Somebody's place in a course.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Enrolment {
    #[diesel(sql_type = SqlUuid)]
    pub id: EnrolmentId,
    #[diesel(sql_type = SqlUuid)]
    pub course_id: CourseId,
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = SqlUuid)]
    pub student_id: UserId,
    #[diesel(sql_type = Integer)]
    pub extra_time: i32,
    #[diesel(sql_type = Integer)]
    pub extension: i32,
    #[diesel(sql_type = Text)]
    pub state: EnrolmentState,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub completed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub cohort_id: Option<CohortId>,
    /// Of the cohort: when it begins, and everybody's extension in it, in hours.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub cohort_starts_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Integer)]
    pub cohort_extension: i32,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub price_minor: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub currency: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub payee_id: Option<UserId>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub refund_until: Option<DateTime<Utc>>,
}

impl Enrolment {
    /// What the place costs; `None` for a free one.
    ///
    /// # Errors
    /// For a currency that is not taken any more.
    pub fn price(&self) -> Result<Option<Money>, LearningError> {
        price(self.price_minor, self.currency.as_deref())
    }

    /// Whether the learner is in the course.
    pub fn learns(&self) -> bool {
        matches!(self.state, EnrolmentState::Active | EnrolmentState::Completed)
    }

    /// When an item is due for this learner: counted from the cohort's beginning or from their own, with
    /// both extensions.
    pub fn due(&self, due: DueDate) -> DateTime<Utc> {
        due.of(
            self.cohort_starts_at.unwrap_or(self.created_at),
            self.extension.saturating_add(self.cohort_extension),
        )
    }
}

/// What a place costs, as money.
///
/// # Errors
/// For a currency that is not taken any more.
pub fn price(minor: Option<i64>, currency: Option<&str>) -> Result<Option<Money>, LearningError> {
    let (Some(minor), Some(code)) = (minor, currency) else { return Ok(None) };
    let currency = code.parse().map_err(LedgerError::from)?;
    Ok(Some(Money::new(minor, currency)))
}

/// A group that learns together.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Cohort {
    #[diesel(sql_type = SqlUuid)]
    pub id: CohortId,
    #[diesel(sql_type = SqlUuid)]
    pub course_id: CourseId,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Timestamptz)]
    pub starts_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub closes_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub places: Option<i32>,
    #[diesel(sql_type = Integer)]
    pub extension: i32,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// A payment for a place, at the provider.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct PlacePayment {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub enrolment_id: EnrolmentId,
    #[diesel(sql_type = Text)]
    pub provider: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub provider_ref: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub client_secret: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub amount_minor: i64,
    #[diesel(sql_type = Text)]
    pub currency: String,
    #[diesel(sql_type = Text)]
    pub state: PlacePaymentState,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

impl PlacePayment {
    /// How much.
    ///
    /// # Errors
    /// For a currency that is not taken any more.
    pub fn amount(&self) -> Result<Money, LearningError> {
        let currency = self.currency.parse().map_err(LedgerError::from)?;
        Ok(Money::new(self.amount_minor, currency))
    }
}

/// How far somebody is with an item.
#[derive(Clone, Debug, PartialEq, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Progress {
    #[diesel(sql_type = SqlUuid)]
    pub enrolment_id: EnrolmentId,
    #[diesel(sql_type = SqlUuid)]
    pub item_id: ItemId,
    #[diesel(sql_type = Bool)]
    pub viewed: bool,
    #[diesel(sql_type = Integer)]
    pub watched: i32,
    #[diesel(sql_type = Integer)]
    pub position_s: i32,
    #[diesel(sql_type = Bool)]
    pub submitted: bool,
    #[diesel(sql_type = Nullable<Integer>)]
    pub score: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub done_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// An attempt at a quiz.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Attempt {
    #[diesel(sql_type = SqlUuid)]
    pub id: AttemptId,
    #[diesel(sql_type = SqlUuid)]
    pub enrolment_id: EnrolmentId,
    #[diesel(sql_type = SqlUuid)]
    pub item_id: ItemId,
    #[diesel(sql_type = Integer)]
    pub number: i32,
    #[diesel(sql_type = BigInt)]
    pub seed: i64,
    #[diesel(sql_type = Jsonb)]
    pub paper: Value,
    #[diesel(sql_type = Jsonb)]
    pub answers: Value,
    #[diesel(sql_type = Text)]
    pub state: AttemptState,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deadline_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub score: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub max_score: i64,
    #[diesel(sql_type = Integer)]
    pub grade: i32,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub submitted_at: Option<DateTime<Utc>>,
}

/// What was handed in for an assignment.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Submission {
    #[diesel(sql_type = SqlUuid)]
    pub id: SubmissionId,
    #[diesel(sql_type = SqlUuid)]
    pub enrolment_id: EnrolmentId,
    #[diesel(sql_type = SqlUuid)]
    pub item_id: ItemId,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Array<SqlUuid>)]
    pub files: Vec<Uuid>,
    #[diesel(sql_type = BigInt)]
    pub late_s: i64,
    #[diesel(sql_type = Text)]
    pub state: SubmissionState,
    #[diesel(sql_type = Nullable<Integer>)]
    pub score: Option<i32>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub rubric: Option<Value>,
    #[diesel(sql_type = Nullable<Text>)]
    pub note: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub graded_by: Option<UserId>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}

/// A certificate.
#[derive(Clone, Debug, QueryableByName)]
#[diesel(check_for_backend(diesel::pg::Pg))]
#[allow(missing_docs)]
pub struct Certificate {
    #[diesel(sql_type = SqlUuid)]
    pub id: CertificateId,
    #[diesel(sql_type = SqlUuid)]
    pub enrolment_id: EnrolmentId,
    #[diesel(sql_type = SqlUuid)]
    pub course_id: CourseId,
    #[diesel(sql_type = SqlUuid)]
    pub student_id: UserId,
    #[diesel(sql_type = Text)]
    pub learner_name: String,
    #[diesel(sql_type = Text)]
    pub course_title: String,
    #[diesel(sql_type = Text)]
    pub state: CertificateState,
    #[diesel(sql_type = BigInt)]
    pub status_index: i64,
    #[diesel(sql_type = Text)]
    pub credential: String,
    #[diesel(sql_type = Text)]
    pub key_id: String,
    /// The document's object, once it is made, its digest and its size in bytes.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub document_id: Option<UploadId>,
    #[diesel(sql_type = Nullable<Binary>)]
    pub document_sha256: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub document_size: Option<i64>,
    #[diesel(sql_type = BigInt)]
    pub version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
}
