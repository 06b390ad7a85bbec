//! What is known of a thing that can be found, besides its words and its vector; and what a search may
//! demand of it. The text index and the vector store both keep the attributes and push the filter down
//! to their store; [`Filter::accepts`] says what a filter means.

pub(crate) mod postgres;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What is known of a document or a point.
///
/// Skills, languages, levels, tags and currencies are compared as they are: whoever writes and whoever
/// asks use the same slugs. A NUL character cannot be kept anywhere and is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Attributes {
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Uuid>,
    /// Slugs of skills.
    #[serde(default)]
    pub skills: Vec<String>,
    /// Languages, as BCP 47 tags.
    #[serde(default)]
    pub languages: Vec<String>,
    /// How demanding, or how experienced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Whether it is done from anywhere; `None` where that means nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<bool>,
    /// Anything else to filter by, of any kind.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The currency of `budget_minor`, as ISO 4217 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// What it pays or costs, in minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget_minor: Option<i64>,
    /// What others think of it, in thousandths of a star.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating_milli: Option<i64>,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<DateTime<Utc>>,
    /// When it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// When it was posted or last renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fresh_at: Option<DateTime<Utc>>,
    /// Whether it can be had now.
    pub open: bool,
}

/// What is demanded. Demands are joined by *and*; an empty list or `None` demands nothing. What a thing
/// does not say of itself meets no demand: a gig without a budget is not found by `budget_min`.
/// Times are compared to the millisecond.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// At least one of these skills.
    pub any_skills: Vec<String>,
    /// Every one of these skills.
    pub all_skills: Vec<String>,
    /// At least one of these languages.
    pub languages: Vec<String>,
    /// One of these levels.
    pub levels: Vec<String>,
    /// Remote, or not.
    pub remote: Option<bool>,
    /// At least one of these tags.
    pub tags: Vec<String>,
    /// This currency.
    pub currency: Option<String>,
    /// A budget of at least so many minor units.
    pub budget_min: Option<i64>,
    /// A budget of at most so many minor units.
    pub budget_max: Option<i64>,
    /// At least so many thousandths of a star.
    pub rating_min: Option<i64>,
    /// Begins then or later.
    pub after: Option<DateTime<Utc>>,
    /// Begins before that.
    pub before: Option<DateTime<Utc>>,
    /// Posted or renewed then or later.
    pub fresh_after: Option<DateTime<Utc>>,
    /// Can be had now.
    pub open_only: bool,
    /// None of these.
    pub not_ids: Vec<Uuid>,
    /// Nothing of these owners.
    pub not_owners: Vec<Uuid>,
    /// Only of these; an empty list finds nothing.
    pub only_ids: Option<Vec<Uuid>>,
}

impl Filter {
    /// Whether a thing meets every demand.
    pub fn accepts(&self, id: Uuid, of: &Attributes) -> bool {
        let any = |wanted: &[String], has: &[String]| {
            wanted.is_empty() || wanted.iter().any(|one| has.contains(one))
        };
        let same = |wanted: Option<&String>, has: Option<&String>| wanted.is_none() || wanted == has;
        let at_least = |bound: Option<i64>, has: Option<i64>| {
            bound.is_none_or(|bound| has.is_some_and(|value| value >= bound))
        };
        let since = |bound: Option<DateTime<Utc>>, has: Option<DateTime<Utc>>| {
            at_least(bound.map(|at| at.timestamp_millis()), has.map(|at| at.timestamp_millis()))
        };
        any(&self.any_skills, &of.skills)
            && self.all_skills.iter().all(|one| of.skills.contains(one))
            && any(&self.languages, &of.languages)
            && (self.levels.is_empty() || of.level.as_ref().is_some_and(|level| self.levels.contains(level)))
            && self.remote.is_none_or(|remote| of.remote == Some(remote))
            && any(&self.tags, &of.tags)
            && same(self.currency.as_ref(), of.currency.as_ref())
            && at_least(self.budget_min, of.budget_minor)
            && self.budget_max.is_none_or(|bound| of.budget_minor.is_some_and(|value| value <= bound))
            && at_least(self.rating_min, of.rating_milli)
            && since(self.after, of.starts_at)
            && self.before.is_none_or(|bound| {
                of.starts_at.is_some_and(|at| at.timestamp_millis() < bound.timestamp_millis())
            })
            && since(self.fresh_after, of.fresh_at)
            && (!self.open_only || of.open)
            && !self.not_ids.contains(&id)
            && !of.owner.is_some_and(|owner| self.not_owners.contains(&owner))
            && self.only_ids.as_ref().is_none_or(|only| only.contains(&id))
    }

    /// Whether nothing can meet it.
    pub fn is_hopeless(&self) -> bool {
        self.only_ids.as_ref().is_some_and(Vec::is_empty)
    }

    /// Every word in it.
    pub(crate) fn words(&self) -> impl Iterator<Item = &String> {
        let lists = [&self.any_skills, &self.all_skills, &self.languages, &self.levels, &self.tags];
        lists.into_iter().flatten().chain(&self.currency)
    }
}

impl Attributes {
    /// Every word in it.
    pub(crate) fn words(&self) -> impl Iterator<Item = &String> {
        let lists = [&self.skills, &self.languages, &self.tags];
        lists.into_iter().flatten().chain(&self.level).chain(&self.currency)
    }
}

/// The largest revision: what a floating-point number holds exactly, since Qdrant and Meilisearch compare
/// by those. Microseconds since 1970 fit until the year 2255.
pub const LAST_REVISION: i64 = 1 << 53;
