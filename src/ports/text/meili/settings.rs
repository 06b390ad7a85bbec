//! The settings of an index, as code: whoever starts sees to it that they are these.

use std::collections::{BTreeMap, HashMap};

use meilisearch_sdk::settings::{
    FacetSortValue, FacetingSettings, MinWordSizeForTypos, PaginationSetting, Settings, TypoToleranceSettings,
};

use super::super::{DEEPEST, MOST, synonyms};

/// What can be filtered by.
const FILTERABLE: [&str; 18] = [
    "id",
    "gone",
    "owner",
    "skills",
    "languages",
    "level",
    "remote",
    "tags",
    "currency",
    "budget_minor",
    "rating_milli",
    "starts_ms",
    "fresh_ms",
    "open",
    "revision",
    "k1",
    "k2",
    "k3",
];

/// Signs that Meilisearch takes for letters otherwise.
const SEPARATORS: [&str; 16] =
    ["$", "<", "=", ">", "^", "|", "~", "€", "£", "°", "→", "№", "™", "®", "©", "\u{2011}"];
/// Words with a sign that otherwise parts words; their case counts here.
const WORDS: [&str; 6] = ["c++", "C++", "c#", "C#", "f#", "F#"];

/// The settings of every index.
pub(super) fn settings() -> Settings {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let synonyms = synonyms::all().iter().map(|(phrase, same)| (phrase.clone(), same.clone()));
    let mut settings = Settings::new()
        .with_searchable_attributes(names(&["title", "keywords", "body", "respelt"]))
        .with_filterable_attributes(names(&FILTERABLE))
        .with_sortable_attributes(names(&[
            "fresh_ms",
            "budget_minor",
            "rating_milli",
            "starts_ms",
            "k1",
            "k2",
            "k3",
        ]))
        // Where a sort is asked for it is what counts.
        .with_ranking_rules(names(&["sort", "words", "typo", "proximity", "attribute", "exactness"]))
        .with_dictionary(WORDS)
        .with_synonyms(synonyms.collect::<HashMap<_, _>>());
    settings.separator_tokens = Some(names(&SEPARATORS));
    settings.pagination = Some(PaginationSetting { max_total_hits: DEEPEST + MOST });
    settings.faceting = Some(FacetingSettings {
        max_values_per_facet: 50,
        sort_facet_values_by: Some(BTreeMap::from([("*".to_owned(), FacetSortValue::Count)])),
    });
    // As `words::forgiven` has it.
    settings.typo_tolerance = Some(TypoToleranceSettings {
        enabled: Some(true),
        disable_on_attributes: None,
        disable_on_words: None,
        min_word_size_for_typos: Some(MinWordSizeForTypos { one_typo: Some(4), two_typos: Some(8) }),
        disable_on_numbers: None,
    });
    settings.search_cutoff_ms = Some(1_500);
    settings
}
