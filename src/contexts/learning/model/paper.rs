//! The paper of an attempt: which questions, in which order, each shuffled how. All of it follows from
//! a seed, and is kept with the attempt: what was asked can be shown again, whatever the bank is now.
//!
//! A learner sees positions only. Choices, items and partners are named by their place on the paper, so
//! that no name tells which of them is right.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    QuestionId,
    quiz::{Kind, Question},
};

/// Random numbers that a seed decides: SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", 2014). Fixed here, so that a paper stays the same whatever crate is upgraded.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that this seed throws.
    pub fn new(seed: i64) -> Self {
        Self(seed as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, each as likely (Lemire's multiplication; the bias is below 2⁻⁵⁰ here).
    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// An order of `0..count` (Fisher and Yates).
    pub fn order(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for n in (1..count).rev() {
            let other = self.below(n + 1);
            order.swap(n, other);
        }
        order
    }
}

/// One question on a paper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which.
    pub question: QuestionId,
    /// As it was then.
    pub revision: i32,
    /// At each place shown, which of the question's own choices, items or partners stands there.
    pub order: Vec<usize>,
}

/// A draw to make: the questions to draw from, and how many; all of them in their order without.
pub type Pool = (Vec<(QuestionId, i32, Question)>, Option<usize>);

/// Draws a paper.
pub fn draw(seed: i64, pools: &[Pool], shuffle: bool) -> Vec<Place> {
    let mut dice = Dice::new(seed);
    let mut paper = Vec::new();
    for (questions, count) in pools {
        let drawn: Vec<usize> = match count {
            Some(count) => dice.order(questions.len()).into_iter().take(*count).collect(),
            None => (0..questions.len()).collect(),
        };
        for n in drawn {
            let (question, revision, body) = &questions[n];
            let size = shown(&body.kind);
            // An ordering in its order would be the answer.
            let order = match body.kind {
                Kind::Ordering { .. } | Kind::Matching { .. } => disorder(&mut dice, size),
                _ if shuffle => dice.order(size),
                _ => (0..size).collect(),
            };
            paper.push(Place { question: *question, revision: *revision, order });
        }
    }
    if shuffle {
        let order = dice.order(paper.len());
        paper = order.into_iter().map(|n| paper[n].clone()).collect();
    }
    paper
}

/// An order that is not the right one already, where there is another.
fn disorder(dice: &mut Dice, size: usize) -> Vec<usize> {
    for _ in 0..16 {
        let order = dice.order(size);
        if size < 2 || order.iter().enumerate().any(|(n, one)| n != *one) {
            return order;
        }
    }
    (0..size).rev().collect()
}

/// How many things of a question are shuffled.
fn shown(kind: &Kind) -> usize {
    match kind {
        Kind::Single { choices, .. } | Kind::Multiple { choices, .. } => choices.len(),
        Kind::Ordering { items } => items.len(),
        Kind::Matching { pairs, distractors } => pairs.len() + distractors.len(),
        Kind::Numeric { .. } | Kind::Short { .. } | Kind::Essay {} => 0,
    }
}

/// A question as a learner sees it: nothing in it tells the answer.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = AskedQuestion)]
pub struct Asked {
    /// Its place on the paper, from 0; answers name it.
    pub place: usize,
    /// What is asked, as HTML.
    pub prompt_html: String,
    /// Its points at most.
    pub points: u16,
    /// `single`, `multiple`, `ordering`, `matching`, `numeric`, `short`, `essay`.
    pub kind: &'static str,
    /// Choices, items to order, or partners to find; answers name them by place, from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// Of matching: what partners are to be found for, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stems: Vec<String>,
}

/// Shows a question at its place.
pub fn ask(number: usize, place: &Place, question: &Question) -> Asked {
    let at = |texts: Vec<&String>| {
        place.order.iter().filter_map(|n| texts.get(*n).map(|text| (*text).clone())).collect::<Vec<_>>()
    };
    let (kind, options, stems) = match &question.kind {
        Kind::Single { choices, .. } => ("single", at(choices.iter().collect()), Vec::new()),
        Kind::Multiple { choices, .. } => ("multiple", at(choices.iter().collect()), Vec::new()),
        Kind::Ordering { items } => ("ordering", at(items.iter().collect()), Vec::new()),
        Kind::Matching { pairs, distractors } => (
            "matching",
            at(pairs.iter().map(|pair| &pair.right).chain(distractors).collect()),
            pairs.iter().map(|pair| pair.left.clone()).collect(),
        ),
        Kind::Numeric { .. } => ("numeric", Vec::new(), Vec::new()),
        Kind::Short { .. } => ("short", Vec::new(), Vec::new()),
        Kind::Essay {} => ("essay", Vec::new(), Vec::new()),
    };
    Asked {
        place: number,
        prompt_html: super::content::rendered(&question.prompt),
        points: question.points,
        kind,
        options,
        stems,
    }
}
