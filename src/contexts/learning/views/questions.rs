//! What is shown of banks and questions.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::contexts::learning::model::{BankId, QuestionId, quiz::Question};

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
