//! How scores become grades. Scores are in hundredths of a percent, 0 to 10,000.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ItemId;

/// A whole: 100 %.
pub const WHOLE: i64 = 10_000;

/// How a course's grade is made of its items' scores: groups with weights that sum to 100.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = GradingPolicy)]
pub struct Policy {
    /// Without any, all graded items count alike.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub groups: Vec<Group>,
}

/// Items that count together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = GradingGroup)]
pub struct Group {
    /// What it is called.
    #[schema(min_length = 1, max_length = 80)]
    pub name: String,
    /// Of the whole, in percent.
    #[schema(minimum = 1, maximum = 100)]
    pub weight: u8,
    /// The graded items in it; they count alike.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<ItemId>,
    /// So many of the lowest scores do not count.
    #[serde(default)]
    pub drop_lowest: u8,
}

impl Policy {
    /// What is wrong with it: places and reasons.
    pub fn flaws(&self, is_graded: impl Fn(ItemId) -> bool) -> Vec<(String, String)> {
        let mut flaws = Vec::new();
        if self.groups.len() > 20 {
            flaws.push(("/groups".to_owned(), "takes 20 groups at most".to_owned()));
        }
        let sum: u32 = self.groups.iter().map(|group| u32::from(group.weight)).sum();
        if !self.groups.is_empty() && (sum != 100 || self.groups.iter().any(|group| group.weight == 0)) {
            flaws.push(("/groups".to_owned(), format!("weights sum to {sum}, and must to 100")));
        }
        let mut seen = std::collections::BTreeSet::new();
        for (n, group) in self.groups.iter().enumerate() {
            if !(1..=80).contains(&group.name.trim().chars().count()) {
                flaws.push((format!("/groups/{n}/name"), "takes 1 to 80 characters".to_owned()));
            }
            if usize::from(group.drop_lowest) >= group.items.len() {
                flaws.push((format!("/groups/{n}/drop_lowest"), "must leave an item".to_owned()));
            }
            for (i, item) in group.items.iter().enumerate() {
                if !is_graded(*item) || !seen.insert(*item) {
                    let said = "must be a graded item of the course, in one group".to_owned();
                    flaws.push((format!("/groups/{n}/items/{i}"), said));
                }
            }
        }
        flaws
    }

    /// The grade, where what has no score yet counts as nothing. `all` are the graded items.
    pub fn grade(&self, all: &[ItemId], score: impl Fn(ItemId) -> Option<i32>) -> i64 {
        let score = |item: &ItemId| i64::from(score(*item).unwrap_or(0)).clamp(0, WHOLE);
        if self.groups.is_empty() {
            return mean(all.iter().map(score).collect(), 0);
        }
        let weighted: i64 = self
            .groups
            .iter()
            .map(|group| {
                let scores = group.items.iter().map(score).collect();
                mean(scores, usize::from(group.drop_lowest)) * i64::from(group.weight)
            })
            .sum();
        weighted / 100
    }
}

/// The mean without the lowest ones, rounded down.
fn mean(mut scores: Vec<i64>, drop: usize) -> i64 {
    scores.sort_unstable();
    let kept = &scores[drop.min(scores.len().saturating_sub(1))..];
    if kept.is_empty() { 0 } else { kept.iter().sum::<i64>() / i64::try_from(kept.len()).unwrap_or(i64::MAX) }
}

/// By what an assignment is graded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AssignmentRubric)]
pub struct Rubric {
    /// 1 to 20.
    #[schema(min_items = 1, max_items = 20)]
    pub criteria: Vec<Criterion>,
}

/// One thing that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RubricCriterion)]
pub struct Criterion {
    /// What.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Points at most.
    #[schema(minimum = 1, maximum = 1000)]
    pub points: u16,
}

impl Rubric {
    /// What is wrong with it.
    pub fn flaws(&self) -> Vec<(String, String)> {
        let mut flaws = Vec::new();
        if !(1..=20).contains(&self.criteria.len()) {
            flaws.push(("/criteria".to_owned(), "takes 1 to 20 criteria".to_owned()));
        }
        for (n, one) in self.criteria.iter().enumerate() {
            if !(1..=200).contains(&one.name.trim().chars().count()) {
                flaws.push((format!("/criteria/{n}/name"), "takes 1 to 200 characters".to_owned()));
            }
            if !(1..=1000).contains(&one.points) {
                flaws.push((format!("/criteria/{n}/points"), "must be from 1 to 1000".to_owned()));
            }
        }
        flaws
    }

    /// The score of these points, one for each criterion, or the place of one that does not fit.
    ///
    /// # Errors
    /// The index of the criterion; its number for a wrong count.
    pub fn score(&self, points: &[u16]) -> Result<i64, usize> {
        if points.len() != self.criteria.len() {
            return Err(self.criteria.len().min(points.len()));
        }
        if let Some(over) = points.iter().zip(&self.criteria).position(|(got, one)| *got > one.points) {
            return Err(over);
        }
        let sum = |all: &mut dyn Iterator<Item = u16>| all.map(i64::from).sum::<i64>();
        let (got, whole) =
            (sum(&mut points.iter().copied()), sum(&mut self.criteria.iter().map(|one| one.points)));
        Ok(got * WHOLE / whole.max(1))
    }
}

/// What lateness costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LatePolicy {
    /// Minutes that are forgiven.
    #[serde(default)]
    pub grace_minutes: u16,
    /// Of the score, in percent, for each day that has begun.
    #[serde(default)]
    #[schema(maximum = 100)]
    pub percent_per_day: u8,
    /// After so many days nothing is taken any more; never, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_after_days: Option<u16>,
}

impl LatePolicy {
    /// What is wrong with it.
    pub fn flaws(&self) -> Vec<(String, String)> {
        match self.percent_per_day {
            0..=100 => Vec::new(),
            _ => vec![("/percent_per_day".to_owned(), "must be from 0 to 100".to_owned())],
        }
    }

    /// The days that have begun, so many seconds after the date.
    fn days(&self, late_s: i64) -> i64 {
        let beyond = late_s - i64::from(self.grace_minutes) * 60;
        if beyond <= 0 { 0 } else { (beyond + 86_399) / 86_400 }
    }

    /// Whether something so late is still taken.
    pub fn takes(&self, late_s: i64) -> bool {
        self.close_after_days.is_none_or(|days| self.days(late_s) <= i64::from(days))
    }

    /// What is left of a score.
    pub fn apply(&self, score: i64, late_s: i64) -> i64 {
        let left = (100 - self.days(late_s) * i64::from(self.percent_per_day)).max(0);
        score * left / 100
    }
}
