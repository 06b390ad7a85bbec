//! What callers are shown.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    model::{Kind, reasons::TaughtIn},
    truth::Source,
};
use crate::{money::Money, ports::text::Highlighted};

/// A text with the places that match. Never markup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HighlightView {
    /// Plain text.
    pub text: String,
    /// Matches as `[start, end)` in UTF-16 code units, as browsers count.
    #[schema(value_type = Vec<Vec<u32>>)]
    pub ranges: Vec<(usize, usize)>,
}

impl From<&Highlighted> for HighlightView {
    fn from(found: &Highlighted) -> Self {
        Self { text: found.text.clone(), ranges: found.utf16() }
    }
}

/// Where a hit matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct HighlightsView {
    /// Its title.
    pub title: HighlightView,
    /// A piece of its text.
    pub text: HighlightView,
}

/// A result, and why it is there.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ResultView {
    /// What it is.
    pub kind: Kind,
    /// Which one.
    pub id: Uuid,
    /// What people read first.
    pub title: String,
    /// One line more.
    pub summary: String,
    /// Where it is shown.
    pub url: String,
    /// From 0 to 1; comparable within one answer.
    pub score: f64,
    /// Why it is there, in sentences.
    pub reasons: Vec<String>,
    /// Courses for skills that are missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taught_in: Vec<TaughtIn>,
    /// Where it matches what was typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub highlights: Option<HighlightsView>,
    /// Slugs of the taxonomy.
    pub skills: Vec<String>,
    /// What it pays or costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The mean of the ratings, 1 to 5, once there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<f64>,
}

impl ResultView {
    pub(super) fn of(source: Source, score: f64, reasons: Vec<String>, taught_in: Vec<TaughtIn>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "at most 5,000")]
        let rating = source.attributes.rating_milli.map(|milli| milli as f64 / 1_000.0);
        Self {
            kind: source.kind,
            id: source.id,
            title: source.title,
            summary: source.summary,
            url: source.url,
            // Four digits are enough to compare, and to read.
            score: (score * 10_000.0).round() / 10_000.0,
            reasons,
            taught_in,
            highlights: None,
            skills: source.attributes.skills,
            price: source.price,
            rating,
        }
    }
}

/// How many results have a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CountView {
    /// What to filter by.
    pub value: String,
    /// What people read.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = SearchResults)]
pub struct FoundView {
    /// The best first.
    pub items: Vec<ResultView>,
    /// Present while there is more: pass it as `?cursor=`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How many match by their words.
    pub total: u64,
    /// Whether that is an estimate.
    pub total_is_estimate: bool,
    /// How many have which `skills`, `languages`, `level`, `remote`, `tags`, `currency`, and are of which `kind`.
    pub facets: BTreeMap<String, Vec<CountView>>,
    /// What may have been meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub did_you_mean: Option<String>,
    /// The version of the weights that the order was made with.
    pub weights_version: u32,
    /// Sources that could not be asked: `text`, `vectors`. The answer is what the others found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<&'static str>,
}

/// Recommendations.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecommendationsView {
    /// The best first.
    pub items: Vec<ResultView>,
    /// The version of the weights that the order was made with.
    pub weights_version: u32,
}

/// One suggestion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SuggestionView {
    /// What may be searched for.
    pub text: String,
    /// Where it is from.
    pub kind: Kind,
}

/// What somebody may be about to type.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SuggestionsView {
    /// The best first.
    pub items: Vec<SuggestionView>,
    /// What could not be asked and was done without: `text`.
    #[schema(value_type = Vec<String>)]
    pub without: Vec<&'static str>,
}

/// What came of feedback.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FeedbackView {
    /// How much of it was not known yet.
    pub noted: usize,
}
