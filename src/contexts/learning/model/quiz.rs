//! Questions and quizzes, as instructors write them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::BankId;

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = QuizQuestion)]
pub struct Question {
    /// A name for instructors; may be empty.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub title: String,
    /// What is asked, in Markdown: 1 to 10,000 characters.
    #[schema(min_length = 1, max_length = 10_000)]
    pub prompt: String,
    /// 1 to 1000.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1000)]
    pub points: u16,
    /// What learners read once it is released.
    #[serde(default)]
    #[schema(max_length = 5_000)]
    pub feedback: String,
    /// How it is answered.
    pub kind: Kind,
}

fn one() -> u16 {
    1
}

/// How a question is answered. What is correct is part of it, and never leaves the server before an
/// attempt is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = QuestionKind)]
pub enum Kind {
    /// One choice of several.
    Single {
        /// 2 to 50.
        choices: Vec<String>,
        /// The correct one, from 0.
        correct: usize,
    },
    /// Any number of choices.
    Multiple {
        /// 2 to 50.
        choices: Vec<String>,
        /// The correct ones, from 0.
        correct: Vec<usize>,
    },
    /// Bring into order.
    Ordering {
        /// 2 to 20, in the right order.
        items: Vec<String>,
    },
    /// Find what belongs together.
    Matching {
        /// 2 to 20, each with its partner.
        pairs: Vec<Pair>,
        /// Partners that belong to none.
        #[serde(default)]
        distractors: Vec<String>,
    },
    /// A number.
    Numeric {
        /// The right one.
        value: f64,
        /// So far off is right too.
        #[serde(default)]
        tolerance: f64,
    },
    /// A few words.
    Short {
        /// What is right; compared without case, accents' encoding, and blanks around and between.
        accepted: Vec<String>,
        /// Case counts.
        #[serde(default)]
        case_sensitive: bool,
    },
    /// A text that a person grades.
    Essay {},
}

/// Two that belong together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MatchingPair)]
pub struct Pair {
    /// Shown in order.
    pub left: String,
    /// Shuffled.
    pub right: String,
}

impl Question {
    /// What is wrong with it: places and reasons.
    pub fn flaws(&self) -> Vec<(String, String)> {
        let mut flaws = Vec::new();
        let mut wrong = |at: &str, said: &str| flaws.push((at.to_owned(), said.to_owned()));
        if self.title.chars().count() > 200 {
            wrong("/title", "takes 200 characters at most");
        }
        if !(1..=10_000).contains(&self.prompt.trim().chars().count()) {
            wrong("/prompt", "takes 1 to 10,000 characters");
        }
        if !(1..=1000).contains(&self.points) {
            wrong("/points", "must be from 1 to 1000");
        }
        if self.feedback.chars().count() > 5_000 {
            wrong("/feedback", "takes 5,000 characters at most");
        }
        let said = match &self.kind {
            Kind::Single { choices, correct } => {
                (!(2..=50).contains(&choices.len()) || !texts(choices.iter()) || *correct >= choices.len())
                    .then_some("takes 2 to 50 choices of 1 to 2,000 characters, one of them correct")
            }
            Kind::Multiple { choices, correct } => {
                let distinct: std::collections::BTreeSet<_> = correct.iter().collect();
                (!(2..=50).contains(&choices.len())
                    || !texts(choices.iter())
                    || correct.is_empty()
                    || distinct.len() != correct.len()
                    || correct.iter().any(|one| *one >= choices.len()))
                .then_some("takes 2 to 50 choices of 1 to 2,000 characters, one of them correct at least")
            }
            Kind::Ordering { items } => {
                let distinct: std::collections::BTreeSet<_> = items.iter().collect();
                (!(2..=20).contains(&items.len()) || !texts(items.iter()) || distinct.len() != items.len())
                    .then_some("takes 2 to 20 different items of 1 to 2,000 characters")
            }
            Kind::Matching { pairs, distractors } => (!(2..=20).contains(&pairs.len())
                || distractors.len() > 20
                || !texts(pairs.iter().map(|pair| &pair.left))
                || !texts(pairs.iter().map(|pair| &pair.right).chain(distractors)))
            .then_some("takes 2 to 20 pairs and 20 distractors at most, of 1 to 2,000 characters each"),
            Kind::Numeric { value, tolerance } => {
                (!value.is_finite() || !tolerance.is_finite() || *tolerance < 0.0)
                    .then_some("takes a number and a tolerance of 0 or more")
            }
            Kind::Short { accepted, .. } => (!(1..=50).contains(&accepted.len()) || !texts(accepted.iter()))
                .then_some("takes 1 to 50 answers of 1 to 2,000 characters"),
            Kind::Essay {} => None,
        };
        if let Some(said) = said {
            wrong("/kind", said);
        }
        flaws
    }
}

/// Whether each of them may stand in a question.
fn texts<'a>(mut all: impl Iterator<Item = &'a String>) -> bool {
    all.all(|text| (1..=2_000).contains(&text.trim().chars().count()))
}

/// A quiz: what is drawn, and under which rules it is taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QuizSpec {
    /// 1 to 20 draws.
    #[schema(min_items = 1, max_items = 20)]
    pub draws: Vec<Draw>,
    /// Whether questions and choices are shuffled.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// Minutes from the start; none without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1440)]
    pub minutes: Option<u16>,
    /// Seconds after the limit in which answers are still taken: for slow networks.
    #[serde(default = "grace")]
    #[schema(maximum = 600)]
    pub grace_seconds: u16,
    /// What becomes of an attempt whose time is over.
    #[serde(default)]
    pub overdue: OverduePolicy,
    /// How often it may be taken.
    #[serde(default = "attempts")]
    #[schema(minimum = 1, maximum = 100)]
    pub attempts: u16,
    /// Which attempt counts.
    #[serde(default)]
    pub counts: Counts,
    /// Of a question's points, in percent, taken off for a wrong answer; the whole is never below 0.
    #[serde(default)]
    #[schema(maximum = 100)]
    pub penalty: u8,
    /// When learners see marks, answers and feedback.
    #[serde(default)]
    pub feedback: Release,
}

fn yes() -> bool {
    true
}

fn grace() -> u16 {
    10
}

fn attempts() -> u16 {
    3
}

/// Questions out of a bank.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QuizDraw)]
pub struct Draw {
    /// The instructor's bank.
    pub bank: BankId,
    /// So many at random; all of them, in their order, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 200)]
    pub count: Option<u16>,
}

/// What becomes of an attempt whose time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuizOverdue)]
pub enum OverduePolicy {
    /// The answers that were saved are handed in.
    #[default]
    Submit,
    /// It is worth nothing.
    Abandon,
}

/// Which attempt counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuizCounts)]
pub enum Counts {
    /// The best.
    #[default]
    Best,
    /// The last.
    Last,
    /// The mean of all.
    Average,
}

/// When learners see marks, answers and feedback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuizRelease)]
pub enum Release {
    /// Once the attempt is graded.
    #[default]
    Graded,
    /// Marks once it is graded; answers and feedback after the last attempt.
    LastAttempt,
    /// Marks only.
    Never,
}

impl Counts {
    /// What counts of the graded attempts' scores, in the order of attempts.
    pub fn of(self, scores: &[i64]) -> Option<i64> {
        match self {
            Self::Best => scores.iter().copied().max(),
            Self::Last => scores.last().copied(),
            Self::Average => {
                let count = i64::try_from(scores.len()).ok().filter(|count| *count > 0)?;
                Some(scores.iter().sum::<i64>() / count)
            }
        }
    }
}

impl QuizSpec {
    /// What is wrong with it.
    pub fn flaws(&self) -> Vec<(String, String)> {
        let mut flaws = Vec::new();
        let mut check = |ok: bool, at: &str, said: &str| {
            if !ok {
                flaws.push((at.to_owned(), said.to_owned()));
            }
        };
        check((1..=20).contains(&self.draws.len()), "/draws", "takes 1 to 20 draws");
        let counts = |draw: &Draw| draw.count.is_none_or(|count| (1..=200).contains(&count));
        check(self.draws.iter().all(counts), "/draws", "draw 1 to 200 questions of a bank");
        check(self.minutes.is_none_or(|n| (1..=1440).contains(&n)), "/minutes", "must be from 1 to 1440");
        check(self.grace_seconds <= 600, "/grace_seconds", "must be at most 600");
        check((1..=100).contains(&self.attempts), "/attempts", "must be from 1 to 100");
        check(self.penalty <= 100, "/penalty", "must be at most 100");
        flaws
    }
}
