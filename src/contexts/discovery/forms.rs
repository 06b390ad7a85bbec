//! What callers ask.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    error::DiscoveryError,
    model::{Deed, Kind},
};
use crate::{
    error::FieldError,
    money::Currency,
    ports::{attributes::Filter, text::Sort},
};

/// The longest text that is searched for, in characters. What is longer is cut, not refused: a pasted page is a query
/// too.
pub const LONGEST: usize = 300;
/// So many values of one list at most.
const MOST: usize = 20;

/// A search.
#[derive(Clone, Debug, Default)]
pub struct SearchForm {
    /// What was typed: anything.
    pub q: String,
    /// Of these kinds; all without one.
    pub kinds: Vec<Kind>,
    /// Every one of these skills.
    pub skills: Vec<String>,
    /// One of these languages.
    pub languages: Vec<String>,
    /// One of these levels.
    pub levels: Vec<String>,
    /// One of these tags.
    pub tags: Vec<String>,
    /// Done from anywhere.
    pub remote: Option<bool>,
    /// Pays or costs at least so much.
    pub budget_min: Option<i64>,
    /// Pays or costs at most so much.
    pub budget_max: Option<i64>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// Rated at least so, from 1 to 5.
    pub rating_min: Option<f64>,
    /// Posted or renewed then or later.
    pub posted_after: Option<DateTime<Utc>>,
    /// The order.
    pub sort: Sort,
}

impl SearchForm {
    /// The text, as far as it is read: control characters as spaces, spaces once.
    pub fn text(&self) -> String {
        let plain: String =
            self.q.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What the indexes are asked.
    ///
    /// # Errors
    /// [`DiscoveryError::Invalid`].
    pub fn filter(&self) -> Result<Filter, DiscoveryError> {
        let mut wrong = Vec::new();
        let lists = [
            ("?skill", &self.skills),
            ("?language", &self.languages),
            ("?level", &self.levels),
            ("?tag", &self.tags),
        ];
        for (pointer, list) in lists {
            if list.len() > MOST {
                wrong.push(FieldError::new(pointer, "takes up to 20 values"));
            } else if list.iter().any(|one| one.chars().count() > 60) {
                wrong.push(FieldError::new(pointer, "takes values of up to 60 characters"));
            }
        }
        for (pointer, amount) in [("?budget_min", self.budget_min), ("?budget_max", self.budget_max)] {
            if amount.is_some_and(|amount| !(0..=1 << 53).contains(&amount)) {
                wrong.push(FieldError::new(pointer, "must be from 0 to 2^53"));
            }
        }
        if self.budget_min.zip(self.budget_max).is_some_and(|(least, most)| least > most) {
            wrong.push(FieldError::new("?budget_max", "must not be below budget_min"));
        }
        if self.rating_min.is_some_and(|rating| !(1.0..=5.0).contains(&rating)) {
            wrong.push(FieldError::new("?rating_min", "must be from 1 to 5"));
        }
        if !wrong.is_empty() {
            return Err(DiscoveryError::Invalid(wrong));
        }
        #[expect(clippy::cast_possible_truncation, reason = "from 1,000 to 5,000")]
        let rating_min = self.rating_min.map(|rating| (rating * 1_000.0).round() as i64);
        Ok(Filter {
            all_skills: self.skills.clone(),
            languages: self.languages.clone(),
            levels: self.levels.clone(),
            tags: self.tags.clone(),
            remote: self.remote,
            budget_min: self.budget_min,
            budget_max: self.budget_max,
            currency: self.currency.map(|currency| currency.code().to_owned()),
            rating_min,
            fresh_after: self.posted_after,
            ..Filter::default()
        })
    }
}

/// One thing that somebody did something with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackItem {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// What was done.
    pub deed: Deed,
}

/// What somebody did with results.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackForm {
    /// 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<FeedbackItem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_typed_is_a_query() {
        let typed = |q: &str| SearchForm { q: q.into(), ..SearchForm::default() }.text();
        assert_eq!(typed("  rust\u{7}\n  web\t"), "rust web");
        assert_eq!(typed(&"x".repeat(10_000)).len(), LONGEST);
        assert_eq!(typed("\u{202e}olleh 🦀 .*(["), "\u{202e}olleh 🦀 .*([");
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        let of = |form: SearchForm| match form.filter() {
            Err(DiscoveryError::Invalid(fields)) => {
                fields.into_iter().map(|field| field.pointer).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(of(SearchForm { budget_min: Some(-1), ..SearchForm::default() }), ["?budget_min"]);
        assert_eq!(of(SearchForm { rating_min: Some(f64::NAN), ..SearchForm::default() }), ["?rating_min"]);
        let crossed = SearchForm { budget_min: Some(2), budget_max: Some(1), ..SearchForm::default() };
        assert_eq!(of(crossed), ["?budget_max"]);
        assert_eq!(of(SearchForm { skills: vec!["x".into(); 21], ..SearchForm::default() }), ["?skill"]);
    }
}
