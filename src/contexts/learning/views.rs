//! What callers are shown.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    model::{
        AttemptId, AttemptState, BankId, COURSE, CertificateId, CertificateState, Cohort, CohortId, Course,
        CourseId, CourseState, Enrolment, EnrolmentId, EnrolmentState, ItemId, PlacePayment,
        PlacePaymentState, Progress, QuestionId, Submission, SubmissionId, SubmissionState,
        content::{Content, Rule},
        live::{LiveQuizId, LiveState},
        marking::{Answer, Answers, Mark},
        paper::Asked,
        price,
        quiz::Question,
    },
    store::courses::Announcement,
};
use crate::{contexts::objects::DownloadView, machine::Actor, money::Money, principal::UserId};

/// A course, as anybody may see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CourseView {
    /// Its id; also its discussion room's.
    pub id: CourseId,
    /// Its instructor.
    pub owner_id: UserId,
    /// What people read first.
    pub title: String,
    /// What it is about.
    pub summary: String,
    /// Courses that must be completed before.
    pub prerequisites: Vec<CourseId>,
    /// What a place costs; left out, nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// Where it is.
    pub state: CourseState,
    /// The latest published version; 0 before the first.
    pub published: i32,
    /// What it holds, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outline: Option<Vec<OutlineModule>>,
    /// The caller's place in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrolment_id: Option<EnrolmentId>,
    /// Grows with every change; the ETag.
    pub version: i64,
    /// When it was drafted.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// What the caller may do with it now.
    pub allowed_transitions: Vec<&'static str>,
}

impl CourseView {
    pub(super) fn of(course: &Course, actors: &[Actor]) -> Self {
        Self {
            id: course.id,
            owner_id: course.owner_id,
            title: course.title.clone(),
            summary: course.summary.clone(),
            prerequisites: course.prerequisites.clone(),
            price: price(course.price_minor, course.currency.as_deref()).ok().flatten(),
            state: course.state,
            published: course.published,
            outline: None,
            enrolment_id: None,
            version: course.version,
            created_at: course.created_at,
            updated_at: course.updated_at,
            allowed_transitions: COURSE.allowed_transitions(course.state, actors),
        }
    }
}

/// A module by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutlineModule {
    /// Its title.
    pub title: String,
    /// Its items.
    pub items: Vec<OutlineItem>,
}

/// An item by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OutlineItem {
    /// Its id.
    pub id: ItemId,
    /// Its title.
    pub title: String,
    /// `text`, `video`, `file`, `quiz`, `assignment`, `live`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Whether the course needs it.
    pub required: bool,
    /// When it is done.
    pub rule: Rule,
}

/// What an instructor works at.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DraftView {
    /// The content.
    pub content: Content,
    /// The course's version; the ETag.
    pub version: i64,
}

/// An announcement.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AnnouncementView {
    /// Its id.
    pub id: Uuid,
    /// The course.
    pub course_id: CourseId,
    /// Whose it is.
    pub author_id: UserId,
    /// What it says.
    pub body: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Announcement> for AnnouncementView {
    fn from(one: Announcement) -> Self {
        let Announcement { id, course_id, author_id, body, created_at } = one;
        Self { id, course_id, author_id, body, created_at }
    }
}

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
    pub(super) fn of(cohort: Cohort, taken: i64) -> Self {
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
    pub(super) fn blank(enrolment: &Enrolment, item: ItemId) -> Progress {
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

/// A bank of questions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BankView {
    /// Its id.
    pub id: BankId,
    /// Its title.
    pub title: String,
    /// The questions at their latest revision; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub questions: Option<Vec<QuestionView>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A question, for its instructor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuestionView {
    /// Its id.
    pub id: QuestionId,
    /// Which revision.
    pub revision: i32,
    /// Not drawn any more.
    pub retired: bool,
    /// The question, answers included.
    pub question: Question,
}

/// What became of a file of questions.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// Taken.
    pub imported: usize,
    /// Not taken: the line of each (of QTI, which item, from 1), and why.
    pub refused: Vec<Refused>,
    /// Parts of questions that were taken without them.
    pub left_out: Vec<Refused>,
}

/// A bank as QTI 2.1.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QtiView {
    /// One document a question.
    pub items: Vec<QtiItem>,
}

/// A question as an item of QTI 2.1.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QtiItem {
    /// A name for its file.
    pub file: String,
    /// The document.
    pub xml: String,
}

/// Something that was not taken.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = ImportRefused)]
pub struct Refused {
    /// The line where it begins.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// How a question does.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuestionStatistics {
    /// The question.
    pub question_id: QuestionId,
    /// Graded answers.
    pub answers: usize,
    /// The mean score, 0 (nobody) to 1 (everybody): the difficulty index.
    pub difficulty: f64,
    /// Correlation of the question's score with that of the rest of the paper, −1 to 1 (corrected
    /// point-biserial); none while one of the two does not vary.
    pub discrimination: Option<f64>,
}

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

/// A certificate.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CertificateView {
    /// Its id.
    pub id: CertificateId,
    /// The course.
    pub course_id: CourseId,
    /// What it was called then.
    pub course_title: String,
    /// Who completed it.
    pub student_id: UserId,
    /// What they were called then.
    pub learner_name: String,
    /// Where it is.
    pub state: CertificateState,
    /// The Open Badges 3.0 credential: a JWT (VC-JOSE-COSE), signed with Ed25519.
    pub credential: String,
    /// Where anybody can verify it.
    pub verify_url: String,
    /// The same to print.
    pub document: DocumentView,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// Grows with every change; the ETag.
    pub version: i64,
}

/// How a live quiz stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LiveView {
    /// Its id.
    pub id: LiveQuizId,
    /// The course.
    pub course_id: CourseId,
    /// Who runs it.
    pub host_id: UserId,
    /// What it is called.
    pub title: String,
    /// Where it is.
    pub state: LiveState,
    /// The question that is or was open last, from 1; 0 before the first.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Time for each.
    pub seconds: i32,
    /// The open question; nothing in it tells the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Asked>,
    /// When its time is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<DateTime<Utc>>,
    /// The server's time.
    pub now: DateTime<Utc>,
    /// How many answered it.
    pub answered: usize,
    /// How many have answered anything.
    pub learners: usize,
    /// The scoreboard's first 20 places.
    pub items: Vec<LivePlace>,
    /// One's own place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<LiveOwn>,
    /// Grows with every step.
    pub version: i64,
}

/// A place on a scoreboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LivePlace {
    /// From 1; no two are the same.
    pub rank: usize,
    /// Who.
    pub user_id: UserId,
    /// Up to 1,000 a question.
    pub points: i64,
}

/// One's own place on a scoreboard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LiveOwn {
    /// From 1.
    pub rank: usize,
    /// Up to 1,000 a question.
    pub points: i64,
    /// Whether one has answered the question that is or was open last.
    pub answered: bool,
}

/// A certificate as a document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DocumentView {
    /// Where it is: a PDF.
    pub url: String,
    /// SHA-256 of its bytes, in hexadecimal; none until it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
}

/// What a verification came to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct VerifyView {
    /// Whether it is good now.
    pub valid: bool,
    /// `issued` or `revoked`.
    pub state: CertificateState,
    /// Whether the signature is the issuer's, over these very bytes.
    pub signature_valid: bool,
    /// The certificate.
    pub certificate: CertificateView,
}
