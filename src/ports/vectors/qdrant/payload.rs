//! Attributes as a payload, and filters on it.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, Filter as Demand, NamedVectors, Range, Value, Vector, Vectors as PointVectors,
};

use crate::ports::attributes::{Attributes, Filter};

/// The vector's name. A point that is gone has none.
pub(super) const VECTOR: &str = "v";

/// A point's vector.
pub(super) fn vectors(vector: Vec<f32>) -> PointVectors {
    NamedVectors { vectors: HashMap::from([(VECTOR.to_owned(), Vector::from(vector))]) }.into()
}

/// No vector.
pub(super) fn nothing() -> PointVectors {
    NamedVectors { vectors: HashMap::new() }.into()
}

/// The payload of a point that is gone.
pub(super) fn gone(revision: i64) -> HashMap<String, Value> {
    HashMap::from([("revision".to_owned(), revision.into()), ("gone".to_owned(), true.into())])
}

/// The payload of a point. What is not known is left out.
pub(super) fn payload(revision: i64, of: &Attributes) -> HashMap<String, Value> {
    let mut all = HashMap::from([
        ("revision".to_owned(), revision.into()),
        ("gone".to_owned(), false.into()),
        ("open".to_owned(), of.open.into()),
    ]);
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    let lists = [("skills", &of.skills), ("languages", &of.languages), ("tags", &of.tags)];
    for (name, list) in lists {
        if !list.is_empty() {
            put(name, list.clone().into());
        }
    }
    let words = [("level", of.level.clone()), ("currency", of.currency.clone())];
    for (name, word) in words.into_iter().chain([("owner", of.owner.map(|id| id.to_string()))]) {
        if let Some(word) = word {
            put(name, word.into());
        }
    }
    let numbers = [
        ("budget_minor", of.budget_minor),
        ("rating_milli", of.rating_milli),
        ("starts_ms", of.starts_at.map(|at| at.timestamp_millis())),
        ("ends_ms", of.ends_at.map(|at| at.timestamp_millis())),
        ("fresh_ms", of.fresh_at.map(|at| at.timestamp_millis())),
    ];
    for (name, number) in numbers {
        if let Some(number) = number {
            put(name, number.into());
        }
    }
    if let Some(remote) = of.remote {
        put("remote", remote.into());
    }
    all
}

/// Points that are not gone.
pub(super) fn there() -> Demand {
    Demand::must([Condition::matches("gone", false)])
}

/// What an upsert may overwrite: an older revision, or the same where it is not gone.
pub(super) fn newer(revision: i64) -> Demand {
    let same = Demand::must([
        Condition::range("revision", between(Some(revision), Some(revision))),
        Condition::matches("gone", false),
    ]);
    Demand::should([older(revision), same.into()])
}

/// What a deletion may overwrite: no newer revision.
pub(super) fn newer_or_same(revision: i64) -> Demand {
    Demand::must([Condition::range("revision", between(None, Some(revision)))])
}

fn older(revision: i64) -> Condition {
    Condition::range("revision", Range { lt: Some(exact(revision)), ..Range::default() })
}

/// Both ends belong to it.
fn between(least: Option<i64>, most: Option<i64>) -> Range {
    Range { gte: least.map(exact), lte: most.map(exact), ..Range::default() }
}

/// Qdrant compares by floating-point numbers: revisions fit; of an amount past 2^53 the last digits do not
/// count.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn exact(number: i64) -> f64 {
    number as f64
}

/// A filter on what is there.
pub(super) fn demand(filter: &Filter) -> Demand {
    let mut must = vec![Condition::matches("gone", false)];
    let mut must_not = Vec::new();
    let lists = [
        ("skills", &filter.any_skills),
        ("languages", &filter.languages),
        ("level", &filter.levels),
        ("tags", &filter.tags),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            must.push(Condition::matches(name, list.clone()));
        }
    }
    must.extend(filter.all_skills.iter().map(|skill| Condition::matches("skills", skill.clone())));
    must.extend(filter.currency.iter().map(|currency| Condition::matches("currency", currency.clone())));
    must.extend(filter.remote.iter().map(|remote| Condition::matches("remote", *remote)));
    if filter.open_only {
        must.push(Condition::matches("open", true));
    }
    if filter.budget_min.is_some() || filter.budget_max.is_some() {
        must.push(Condition::range("budget_minor", between(filter.budget_min, filter.budget_max)));
    }
    if filter.rating_min.is_some() {
        must.push(Condition::range("rating_milli", between(filter.rating_min, None)));
    }
    if filter.after.is_some() || filter.before.is_some() {
        let millis = |at: &chrono::DateTime<chrono::Utc>| exact(at.timestamp_millis());
        let range = Range {
            gte: filter.after.as_ref().map(millis),
            lt: filter.before.as_ref().map(millis),
            ..Range::default()
        };
        must.push(Condition::range("starts_ms", range));
    }
    if let Some(after) = filter.fresh_after {
        must.push(Condition::range("fresh_ms", between(Some(after.timestamp_millis()), None)));
    }
    if let Some(only) = &filter.only_ids {
        must.push(Condition::has_id(only.iter().map(ToString::to_string)));
    }
    if !filter.not_ids.is_empty() {
        must_not.push(Condition::has_id(filter.not_ids.iter().map(ToString::to_string)));
    }
    if !filter.not_owners.is_empty() {
        let owners: Vec<_> = filter.not_owners.iter().map(ToString::to_string).collect();
        must_not.push(Condition::matches("owner", owners));
    }
    Demand { must, must_not, ..Demand::default() }
}
