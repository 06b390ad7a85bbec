//! Answers and marks. Marks are in hundredths of points.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::{
    paper::Place,
    quiz::{Kind, Question},
};

/// The answer to one question; options are named by their place on the paper, from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = QuizAnswer)]
pub enum Answer {
    /// To a single choice.
    Choice(usize),
    /// To a multiple choice.
    Choices(Vec<usize>),
    /// To an ordering: the options in the order that is meant.
    Order(Vec<usize>),
    /// To a matching: for each stem its option, or none.
    Match(Vec<Option<usize>>),
    /// To a numeric question.
    Number(f64),
    /// To a short or an essay question; 20,000 characters at most.
    Text(String),
}

/// Answers by place on the paper.
pub type Answers = BTreeMap<usize, Answer>;

/// The longest text, in characters.
pub const LONGEST: usize = 20_000;

/// What is wrong with an answer, if it cannot be one to this question.
pub fn flaw(answer: &Answer, place: &Place, question: &Question) -> Option<&'static str> {
    let size = place.order.len();
    let distinct = |chosen: &[usize]| {
        chosen.iter().all(|one| *one < size) && chosen.iter().collect::<BTreeSet<_>>().len() == chosen.len()
    };
    let fits = match (&question.kind, answer) {
        (Kind::Single { .. }, Answer::Choice(one)) => *one < size,
        (Kind::Multiple { .. }, Answer::Choices(chosen)) => distinct(chosen),
        (Kind::Ordering { .. }, Answer::Order(order)) => order.len() == size && distinct(order),
        (Kind::Matching { pairs, .. }, Answer::Match(found)) => {
            let found_some: Vec<usize> = found.iter().copied().flatten().collect();
            found.len() == pairs.len() && distinct(&found_some)
        }
        (Kind::Numeric { .. }, Answer::Number(number)) => number.is_finite(),
        (Kind::Short { .. } | Kind::Essay {}, Answer::Text(text)) => text.chars().count() <= LONGEST,
        _ => return Some("is an answer to another kind of question"),
    };
    (!fits).then_some("names options that are not there, or not as often as they are")
}

/// What an answer is worth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = QuizMark)]
pub struct Mark {
    /// In hundredths of points; `None` while a person has to look.
    pub score: Option<i64>,
    /// Points at most, in hundredths.
    pub max: i64,
    /// The revision of the question that it is by.
    pub revision: i32,
}

/// Marks one answer. `penalty` is what a wrong one costs, in percent of the points; no answer costs
/// nothing.
pub fn mark(answer: Option<&Answer>, place: &Place, question: &Question, penalty: u8) -> Option<i64> {
    let whole = i64::from(question.points) * 100;
    let wrong = -whole * i64::from(penalty) / 100;
    let right = |is: bool| if is { whole } else { wrong };
    let Some(answer) = answer else {
        return Some(0);
    };
    let own = |shown: usize| place.order.get(shown).copied();
    match (&question.kind, answer) {
        (Kind::Single { correct, .. }, Answer::Choice(one)) => Some(right(own(*one) == Some(*correct))),
        (Kind::Multiple { correct, .. }, Answer::Choices(chosen)) => {
            if chosen.is_empty() {
                return Some(0);
            }
            let hits =
                chosen.iter().filter(|one| own(**one).is_some_and(|one| correct.contains(&one))).count();
            let misses = chosen.len() - hits;
            // Each right one earns its part, each wrong one takes one: ticking all earns nothing much.
            Some(match hits.checked_sub(misses) {
                Some(net) if net > 0 => part(whole, net.min(correct.len()), correct.len()),
                _ => wrong,
            })
        }
        (Kind::Ordering { items }, Answer::Order(order)) => {
            let held = order.iter().enumerate().filter(|(n, shown)| own(**shown) == Some(*n)).count();
            Some(if held == 0 { wrong } else { part(whole, held, items.len()) })
        }
        (Kind::Matching { pairs, .. }, Answer::Match(found)) => {
            // Partners of the same text are the same partner.
            let text = |shown: usize| own(shown).and_then(|n| pairs.get(n)).map(|pair| pair.right.as_str());
            let hits = pairs
                .iter()
                .zip(found)
                .filter(|(pair, shown)| shown.and_then(text) == Some(pair.right.as_str()))
                .count();
            if found.iter().all(Option::is_none) {
                return Some(0);
            }
            Some(if hits == 0 { wrong } else { part(whole, hits, pairs.len()) })
        }
        (Kind::Numeric { value, tolerance }, Answer::Number(number)) => {
            // What is written in decimal digits is not exact in binary: a rounding error is forgiven.
            let slack = f64::EPSILON * 4.0 * value.abs().max(number.abs()).max(1.0);
            Some(right((number - value).abs() <= tolerance + slack))
        }
        (Kind::Short { accepted, case_sensitive }, Answer::Text(text)) => {
            let said = normal(text, *case_sensitive);
            if said.is_empty() {
                return Some(0);
            }
            Some(right(accepted.iter().any(|one| normal(one, *case_sensitive) == said)))
        }
        (Kind::Essay {}, Answer::Text(text)) => {
            if text.trim().is_empty() {
                Some(0)
            } else {
                None
            }
        }
        // An answer to what the question was before it was mended.
        _ => Some(0),
    }
}

fn part(whole: i64, got: usize, of: usize) -> i64 {
    let (got, of) = (i64::try_from(got).unwrap_or(0), i64::try_from(of).unwrap_or(1).max(1));
    whole * got / of
}

/// A text as it is compared: compatibility-composed, blanks made one, without case unless it counts.
fn normal(text: &str, case_sensitive: bool) -> String {
    let plain: String = text.nfkc().collect();
    let joined = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if case_sensitive { joined } else { joined.to_lowercase() }
}

/// The sum of marks: never below nothing. `None` while one is missing.
pub fn total(marks: &[Mark]) -> Option<i64> {
    let sum = marks.iter().map(|mark| mark.score).sum::<Option<i64>>()?;
    Some(sum.max(0))
}
