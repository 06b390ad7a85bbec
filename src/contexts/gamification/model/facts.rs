//! Facts: what an event says about a person, in the few words that rules are about. They are kept, so
//! that points and badges can be worked out again long after the event itself is forgotten.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{events::Envelope, principal::UserId};

macro_rules! kinds {
    ($( $(#[$doc:meta])* $name:ident = $text:literal ),+ $(,)?) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum FactKind { $( $(#[$doc])* $name ),+ }

        impl FactKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[ $( Self::$name ),+ ];

            /// Its name in rules and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $text ),+ }
            }

            /// The kind of that name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }
        }
    };
}

kinds! {
    /// Made an account.
    Registered = "registered",
    /// Posted a gig.
    GigPosted = "gig_posted",
    /// Applied.
    ApplicationSubmitted = "application_submitted",
    /// Took an offer.
    ApplicationAccepted = "application_accepted",
    /// Had an offer taken.
    Hired = "hired",
    /// Was paid for a milestone; the value is the amount in minor units.
    MilestoneReleased = "milestone_released",
    /// Paid for a milestone.
    MilestonePaid = "milestone_paid",
    /// Did all the work of a contract.
    ContractCompleted = "contract_completed",
    /// Had a contract completed for them.
    ContractFulfilled = "contract_fulfilled",
    /// Wrote a review that is published.
    ReviewWritten = "review_written",
    /// Got a review; the value is its stars, 1 to 5.
    ReviewReceived = "review_received",
    /// Wrote messages; one fact a person and UTC day.
    MessageSent = "message_sent",
    /// Enrolled in a course.
    Enrolled = "enrolled",
    /// Took a quiz of a course for the first time, whatever came of it.
    QuizTaken = "quiz_taken",
    /// Finished a course.
    CourseCompleted = "course_completed",
}

/// A fact. One person, kind and source are one fact, whatever events tell of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// About whom.
    pub user: UserId,
    /// What.
    pub kind: FactKind,
    /// What it is about: the gig's id, say.
    pub source: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// What the kind says; 1 where it says nothing.
    pub value: i64,
    /// The gig whose skills it is credited to.
    pub gig: Option<Uuid>,
    /// The course on whose board it counts.
    pub course: Option<Uuid>,
}

/// The events that facts come from, those of contexts to come included.
pub const SUBJECTS: &[&str] = &[
    "user.registered",
    "gig.posted",
    "application.submitted",
    "application.accepted",
    "contract.completed",
    "milestone.released",
    "review.published",
    "message.sent",
    "enrolment.created",
    "attempt.submitted",
    "course.completed",
];

/// What an event says about people. Nothing, where it lacks what it should say: it is a later version's,
/// or another's of the same name.
pub fn of_event(event: &Envelope) -> Vec<Fact> {
    read(event).unwrap_or_default()
}

fn read(event: &Envelope) -> Option<Vec<Fact>> {
    use FactKind as K;
    let id =
        |name: &str| event.data.get(name).and_then(Value::as_str).and_then(|text| text.parse::<Uuid>().ok());
    let told = event.data.get("at").and_then(Value::as_str);
    let at = told.and_then(|text| text.parse().ok()).unwrap_or(event.time);
    let (gig, course) = (id("gig_id"), id("course_id"));
    let fact = |user: Uuid, kind, source: Uuid, value| Fact {
        user: UserId(user),
        kind,
        source: source.to_string(),
        at,
        value,
        gig,
        course,
    };
    Some(match event.subject.as_str() {
        "user.registered" => vec![fact(id("user_id")?, K::Registered, id("user_id")?, 1)],
        "gig.posted" => vec![fact(id("owner_id")?, K::GigPosted, id("gig_id")?, 1)],
        "application.submitted" => {
            vec![fact(id("student_id")?, K::ApplicationSubmitted, id("application_id")?, 1)]
        }
        "application.accepted" => vec![
            fact(id("student_id")?, K::ApplicationAccepted, id("application_id")?, 1),
            fact(id("owner_id")?, K::Hired, id("application_id")?, 1),
        ],
        "contract.completed" => vec![
            fact(id("student_id")?, K::ContractCompleted, id("contract_id")?, 1),
            fact(id("client_id")?, K::ContractFulfilled, id("contract_id")?, 1),
        ],
        "milestone.released" => {
            let amount = event.data.pointer("/amount/amount_minor").and_then(Value::as_i64).unwrap_or(1);
            vec![
                fact(id("student_id")?, K::MilestoneReleased, id("milestone_id")?, amount),
                fact(id("client_id")?, K::MilestonePaid, id("milestone_id")?, amount),
            ]
        }
        "review.published" => {
            let stars = event.data.get("rating").and_then(Value::as_i64)?;
            vec![
                fact(id("author_id")?, K::ReviewWritten, id("review_id")?, stars),
                fact(id("subject_id")?, K::ReviewReceived, id("review_id")?, stars),
            ]
        }
        "message.sent" => {
            let user = UserId(id("sender_id")?);
            let source = at.date_naive().to_string();
            vec![Fact { user, kind: K::MessageSent, source, at, value: 1, gig: None, course: None }]
        }
        "enrolment.created" => vec![fact(learner(&id)?, K::Enrolled, id("enrolment_id")?, 1)],
        // Only the first of the tries at a quiz: it is one fact, at one time.
        "attempt.submitted" if event.data.get("number").and_then(Value::as_i64) == Some(1) => {
            vec![fact(learner(&id)?, K::QuizTaken, id("attempt_id")?, 1)]
        }
        "course.completed" => vec![fact(learner(&id)?, K::CourseCompleted, id("enrolment_id")?, 1)],
        _ => Vec::new(),
    })
}

fn learner(id: &impl Fn(&str) -> Option<Uuid>) -> Option<Uuid> {
    id("student_id").or_else(|| id("user_id"))
}

/// What a course is called, where an event tells: at most 200 characters of it.
pub fn title_of(event: &Envelope) -> Option<(Uuid, String)> {
    let course = event.data.get("course_id")?.as_str()?.parse().ok()?;
    let title = event.data.get("title")?.as_str()?.replace('\0', "");
    let title: String = title.trim().chars().take(200).collect();
    (!title.is_empty()).then_some((course, title))
}

/// The skills of a gig, where an event tells them.
pub fn skills_of(event: &Envelope) -> Option<(Uuid, Vec<String>)> {
    if event.subject != "gig.posted" {
        return None;
    }
    let gig = event.data.get("gig_id")?.as_str()?.parse().ok()?;
    let named = event.data.get("skills")?.as_array()?;
    let fits = |slug: &&str| (1..=40).contains(&slug.len()) && !slug.contains('\0');
    Some((gig, named.iter().filter_map(Value::as_str).filter(fits).take(20).map(str::to_owned).collect()))
}
