//! Words that mean the same: `synonyms.txt`, for both adapters.

use std::{collections::BTreeMap, sync::LazyLock};

use super::words::folded;

/// For each word or phrase, folded, what means the same.
static SYNONYMS: LazyLock<BTreeMap<String, Vec<String>>> =
    LazyLock::new(|| read(include_str!("synonyms.txt")));

/// All of them.
pub(crate) fn all() -> &'static BTreeMap<String, Vec<String>> {
    &SYNONYMS
}

/// What means the same as a folded word or phrase.
pub(crate) fn of(phrase: &str) -> &'static [String] {
    SYNONYMS.get(phrase).map_or(&[], Vec::as_slice)
}

fn read(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let group: Vec<_> = line.split('=').map(folded).filter(|phrase| !phrase.is_empty()).collect();
        for phrase in &group {
            let known = all.entry(phrase.clone()).or_default();
            known.extend(group.iter().filter(|other| *other != phrase).cloned());
            known.sort();
            known.dedup();
        }
    }
    all
}

#[test]
fn a_group_leads_from_each_to_all_others() {
    assert_eq!(of("ml"), ["machine learning"]);
    assert_eq!(of("machine learning"), ["ml"]);
    assert_eq!(of("tutor"), ["teaching", "tutoring"]);
    assert!(of("nothing").is_empty());
    let odd = read("a = b = c\n# x = y\n\n=");
    assert_eq!(odd["b"], ["a", "c"]);
    assert_eq!(odd.len(), 3);
}
