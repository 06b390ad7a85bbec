//! Documents as they are kept in Meilisearch.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    super::{Document, words::words},
    filter::fields,
};

/// So much of a title is kept, in characters.
const TITLE: usize = 500;
/// So much of a body.
const BODY: usize = 50_000;
/// So many keywords, each of so many characters.
const KEYWORDS: (usize, usize) = (100, 120);
/// So many words are kept as others spell them.
const RESPELT: usize = 500;
/// Letters that Meilisearch does not take for the ASCII letters that people type instead: Unicode does not
/// decompose them.
const WHOLE: [char; 8] = ['ø', 'ł', 'đ', 'ð', 'ħ', 'ı', 'ß', 'þ'];

/// A document to be written.
pub(super) struct Kept {
    pub id: Uuid,
    pub revision: i64,
    pub gone: bool,
    pub value: Value,
}

/// What comes back of it.
#[derive(Deserialize)]
pub(super) struct Shown {
    pub id: Uuid,
    #[serde(default)]
    pub title: String,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub keywords: Vec<String>,
    #[serde(default)]
    pub respelt: Vec<String>,
}

/// Without control characters: places in it are places in what is kept.
fn clean(text: &str, chars: usize) -> String {
    text.chars().take(chars).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The id as three numbers that order as ids do, each small enough for a floating-point number.
pub(super) fn keys(id: Uuid) -> [u64; 3] {
    let (high, low) = id.as_u64_pair();
    [high >> 16, ((high & 0xFFFF) << 32) | (low >> 32), low & 0xFFFF_FFFF]
}

fn kept(id: Uuid, revision: i64, gone: bool, mut all: Map<String, Value>) -> Kept {
    all.insert("id".into(), json!(id));
    all.insert("revision".into(), json!(revision));
    all.insert("gone".into(), json!(gone));
    for (name, key) in ["k1", "k2", "k3"].into_iter().zip(keys(id)) {
        all.insert(name.into(), json!(key));
    }
    Kept { id, revision, gone, value: all.into() }
}

/// The words of these texts that have a letter of [`WHOLE`], as those type them who lack it.
fn respelt<'a>(texts: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    let whole = |word: &str| word.chars().flat_map(char::to_lowercase).any(|c| WHOLE.contains(&c));
    let found = texts.filter(|text| whole(text)).flat_map(|text| {
        let all = words(text).into_iter();
        all.filter(|word| text.get(word.start..word.end).is_some_and(whole)).map(|word| word.folded)
    });
    found.take(RESPELT).collect()
}

/// A document.
pub(super) fn stored(document: &Document) -> Kept {
    let mut all = fields(&document.attributes);
    let (many, long) = KEYWORDS;
    let keywords: Vec<_> = document.keywords.iter().take(many).map(|word| clean(word, long)).collect();
    let (title, body) = (clean(&document.title, TITLE), clean(&document.body, BODY));
    let texts = [title.as_str(), body.as_str()].into_iter().chain(keywords.iter().map(String::as_str));
    all.insert("respelt".into(), json!(respelt(texts)));
    all.insert("title".into(), json!(title));
    all.insert("keywords".into(), json!(keywords));
    all.insert("body".into(), json!(body));
    kept(document.id, document.revision, false, all)
}

/// What stays of one that is gone.
pub(super) fn tombstone(id: Uuid, revision: i64) -> Kept {
    kept(id, revision, true, Map::new())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_typed_without_its_letters_is_kept_beside() {
        let texts = ["Café in Łódź", "STRASSE, Straße", "Smørrebrød ÞÓR", "plain words"];
        let wanted = ["lodz", "smorrebrod", "strasse", "thor"].map(String::from);
        assert_eq!(respelt(texts.into_iter()), BTreeSet::from(wanted));
    }

    proptest! {
        #[test]
        fn keys_order_as_ids_do(a in any::<u128>(), b in any::<u128>(), near in any::<bool>()) {
            let b = if near { a ^ (b & 0xFFFF) } else { b };
            let (a, b) = (Uuid::from_u128(a), Uuid::from_u128(b));
            prop_assert_eq!(keys(a).cmp(&keys(b)), a.cmp(&b));
            prop_assert!(keys(a).iter().all(|key| *key < 1 << 48));
        }
    }
}
