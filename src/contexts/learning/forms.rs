//! What clients send, and its bounds.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::LearningError,
    model::{
        BankId, CohortId, CourseId, ItemId,
        marking::{Answer, Answers},
        quiz::Question,
    },
};
use crate::{
    error::FieldError,
    money::{LARGEST_PAYMENT, Money},
};

/// A course to draft.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct CourseForm {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120, example = "First steps with SQL")]
    pub title: String,
    /// Up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub summary: String,
    /// Courses that must be completed before; 10 at most.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub prerequisites: Vec<CourseId>,
    /// What a place costs; left out or null, nothing.
    #[serde(default)]
    pub price: Option<Money>,
}

/// Changes of a course's card; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct CoursePatch {
    /// As in [`CourseForm`].
    #[serde(default)]
    #[schema(min_length = 1, max_length = 120)]
    pub title: Option<String>,
    /// As in [`CourseForm`].
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub summary: Option<String>,
    /// As in [`CourseForm`].
    #[serde(default)]
    #[schema(max_items = 10)]
    pub prerequisites: Option<Vec<CourseId>>,
    /// As in [`CourseForm`]; null makes it free. Places that were taken keep their price.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Money>)]
    pub price: Option<Option<Money>>,
}

/// Tells what is null from what is left out.
fn given<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Option<Money>>, D::Error> {
    Option::<Money>::deserialize(from).map(Some)
}

/// A place to take.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct EnrolForm {
    /// The cohort; without one, everybody learns at their own pace.
    #[serde(default)]
    pub cohort_id: Option<CohortId>,
}

/// A cohort to open or to change.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct CohortForm {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120, example = "Spring")]
    pub title: String,
    /// Items can be taken from then on, and due dates count from then.
    pub starts_at: DateTime<Utc>,
    /// Nobody joins from then on.
    #[serde(default)]
    pub closes_at: Option<DateTime<Utc>>,
    /// How many may join: 1 to 100,000; left out, any number.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100_000)]
    pub places: Option<i32>,
    /// Everybody's due dates so many hours later: 0 to 8,760.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 8_760)]
    pub extension_hours: i32,
}

/// Something to tell everybody in a course.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct AnnouncementForm {
    /// 1 to 4,000 characters.
    #[schema(min_length = 1, max_length = 4_000)]
    pub body: String,
}

/// How far one is with an item. What is less than before changes nothing.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ProgressForm {
    /// It was opened.
    #[serde(default)]
    pub viewed: bool,
    /// Of a video: watched to so many percent.
    #[serde(default)]
    #[schema(maximum = 100)]
    pub watched_percent: Option<u8>,
    /// Of a video: where to go on, in seconds.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 360_000)]
    pub position_seconds: Option<i32>,
}

/// What an instructor grants one learner.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct AccessForm {
    /// More time in quizzes, in percent: 0 to 300.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 300)]
    pub extra_time_percent: i32,
    /// Due dates so many hours later: 0 to 8,760.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 8_760)]
    pub extension_hours: i32,
}

/// A bank of questions.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct BankForm {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    pub title: String,
}

/// A question, or a new revision of one.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct QuestionForm {
    /// The question.
    #[serde(flatten)]
    pub question: Question,
    /// Not drawn any more.
    #[serde(default)]
    pub retired: bool,
}

/// A file of questions.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ImportForm {
    /// Moodle GIFT: up to 200,000 characters.
    #[serde(default)]
    #[schema(max_length = 200_000)]
    pub gift: String,
    /// Or items of QTI 2.1, each an XML document of up to 100,000 characters: up to 500.
    #[serde(default)]
    #[schema(max_items = 500)]
    pub qti: Vec<String>,
}

/// A live quiz.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct LiveForm {
    /// 1 to 120 characters.
    #[schema(min_length = 1, max_length = 120)]
    pub title: String,
    /// One's own bank: its questions that are marked at once, 1 to 100, are asked.
    pub bank_id: BankId,
    /// Time for each question: 5 to 600.
    #[serde(default = "half_a_minute")]
    #[schema(minimum = 5, maximum = 600)]
    pub seconds: i32,
    /// Questions and choices in another order than in the bank.
    #[serde(default)]
    pub shuffle: bool,
}

fn half_a_minute() -> i32 {
    30
}

/// An answer in a live quiz.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct LiveAnswerForm {
    /// Which question, from 1.
    #[schema(minimum = 1)]
    pub number: i32,
    /// Options are named by their place, from 0.
    pub answer: Answer,
}

/// Answers to keep. They take the place of those that were kept before.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct AnswersForm {
    /// By place on the paper.
    #[schema(value_type = std::collections::HashMap<String, crate::contexts::learning::marking::Answer>)]
    pub answers: Answers,
}

/// Marks by hand.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct GradeForm {
    /// By place on the paper: hundredths of points, 0 to the question's most.
    #[schema(value_type = std::collections::HashMap<String, i64>)]
    pub marks: std::collections::BTreeMap<usize, i64>,
    /// What the learner reads; up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub note: String,
}

/// What to mark anew.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RegradeForm {
    /// The quiz.
    pub item_id: ItemId,
    /// Why: 1 to 500 characters; kept with the grades.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Something to hand in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SubmissionForm {
    /// Up to 20,000 characters.
    #[serde(default)]
    #[schema(max_length = 20_000)]
    pub body: String,
    /// One's own uploads; 10 at most.
    #[serde(default)]
    #[schema(max_items = 10)]
    pub files: Vec<Uuid>,
}

/// What an instructor thinks of it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SubmissionGradeForm {
    /// Points, one for each criterion of the rubric; left out, it is to be done again.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub points: Option<Vec<u16>>,
    /// What the learner reads; up to 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    pub note: String,
}

/// Why a certificate is not good any more.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RevokeForm {
    /// 1 to 500 characters; public.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// Collects what is wrong, so that a client learns all of it at once.
#[derive(Default)]
pub(super) struct Check(Vec<FieldError>);

impl Check {
    pub fn refuse(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError::new(pointer, detail));
    }

    /// A text within its bounds, without blanks around it.
    pub fn text(&mut self, pointer: &str, text: &str, bounds: std::ops::RangeInclusive<usize>) -> String {
        let text = text.trim();
        if !bounds.contains(&text.chars().count()) {
            self.refuse(pointer, format!("takes {} to {} characters", bounds.start(), bounds.end()));
        }
        text.to_owned()
    }

    /// A price that can be paid.
    pub fn price(&mut self, price: Option<Money>) -> (Option<i64>, Option<String>) {
        if price.is_some_and(|price| !(1..=LARGEST_PAYMENT).contains(&price.amount_minor)) {
            self.refuse("/price/amount_minor", format!("must be from 1 to {LARGEST_PAYMENT} minor units"));
        }
        (price.map(|price| price.amount_minor), price.map(|price| price.currency.code().to_owned()))
    }

    /// Goes on only if nothing was wrong.
    pub fn done(self) -> Result<(), LearningError> {
        if self.0.is_empty() { Ok(()) } else { Err(LearningError::Invalid(self.0)) }
    }
}
