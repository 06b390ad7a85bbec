//! Attributes as fields, and a filter in Meilisearch's language.
//!
//! Meilisearch compares words regardless of case and of accents, and its quoted strings cannot end in a
//! backslash. So words are kept in a form of their own: what is not a lower-case ASCII letter, a digit, `-`
//! or `_` stands as `%` with two hexadecimal digits a byte. Nobody searches these fields by words.
//!
//! In Meilisearch a value of more than 468 bytes meets no filter. What is longer than [`LONGEST`] is kept as
//! its beginning, `%%`, and its SHA-256.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ports::attributes::{Attributes, Filter};

/// The longest form that is kept whole, in bytes.
const LONGEST: usize = 400;
/// So much of a longer one is kept, and what says that it goes on.
const BEGINNING: usize = 300;
const GOES_ON: &str = "%%";

/// A word as it is kept.
pub(super) fn kept(word: &str) -> String {
    let whole = coded(word);
    if whole.len() <= LONGEST {
        return whole;
    }
    let mut out = String::new();
    for character in word.chars() {
        let next = coded(character.encode_utf8(&mut [0; 4]));
        if out.len() + next.len() > BEGINNING {
            break;
        }
        out.push_str(&next);
    }
    out.push_str(GOES_ON);
    for byte in Sha256::digest(word) {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn coded(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for byte in word.bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
    out
}

/// The word that is kept so; of a long one, its beginning and `…`.
pub(super) fn word(kept: &str) -> String {
    if let Some((beginning, _)) = kept.split_once(GOES_ON) {
        return format!("{}…", word(beginning));
    }
    let mut bytes = Vec::with_capacity(kept.len());
    let mut rest = kept.as_bytes();
    while let [first, tail @ ..] = rest {
        let coded = match (first, tail) {
            (b'%', [a, b, ..]) => char::from(*a).to_digit(16).zip(char::from(*b).to_digit(16)),
            _ => None,
        };
        match coded.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The fields of attributes. What is not known is left out: a `null` would be sorted.
pub(super) fn fields(of: &Attributes) -> Map<String, Value> {
    let list = |words: &[String]| words.iter().map(|word| kept(word)).collect::<Vec<_>>();
    let mut all = Map::new();
    all.insert("skills".into(), json!(list(&of.skills)));
    all.insert("languages".into(), json!(list(&of.languages)));
    all.insert("tags".into(), json!(list(&of.tags)));
    all.insert("open".into(), json!(of.open));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            all.insert(name.to_owned(), value);
        }
    };
    put("owner", of.owner.map(|id| json!(id)));
    put("level", of.level.as_deref().map(|word| json!(kept(word))));
    put("currency", of.currency.as_deref().map(|word| json!(kept(word))));
    put("remote", of.remote.map(Value::from));
    put("budget_minor", of.budget_minor.map(Value::from));
    put("rating_milli", of.rating_milli.map(Value::from));
    put("starts_ms", of.starts_at.map(|at| at.timestamp_millis().into()));
    put("fresh_ms", of.fresh_at.map(|at| at.timestamp_millis().into()));
    all
}

fn listed(words: &[String]) -> String {
    words.iter().map(|word| format!("\"{}\"", kept(word))).collect::<Vec<_>>().join(", ")
}

fn ids(ids: &[Uuid]) -> String {
    ids.iter().map(|id| format!("\"{id}\"")).collect::<Vec<_>>().join(", ")
}

/// What is demanded, of documents that are not gone.
pub(super) fn demand(filter: &Filter) -> String {
    let mut all = vec!["gone = false".to_owned()];
    let lists = [
        ("skills", &filter.any_skills),
        ("languages", &filter.languages),
        ("level", &filter.levels),
        ("tags", &filter.tags),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            all.push(format!("{name} IN [{}]", listed(list)));
        }
    }
    all.extend(filter.all_skills.iter().map(|skill| format!("skills = \"{}\"", kept(skill))));
    all.extend(filter.currency.iter().map(|currency| format!("currency = \"{}\"", kept(currency))));
    all.extend(filter.remote.iter().map(|remote| format!("remote = {remote}")));
    let bounds = [
        ("budget_minor", ">=", filter.budget_min),
        ("budget_minor", "<=", filter.budget_max),
        ("rating_milli", ">=", filter.rating_min),
        ("starts_ms", ">=", filter.after.map(|at| at.timestamp_millis())),
        ("starts_ms", "<", filter.before.map(|at| at.timestamp_millis())),
        ("fresh_ms", ">=", filter.fresh_after.map(|at| at.timestamp_millis())),
    ];
    for (name, sign, bound) in bounds {
        all.extend(bound.map(|bound| format!("{name} {sign} {bound}")));
    }
    if filter.open_only {
        all.push("open = true".into());
    }
    if !filter.not_ids.is_empty() {
        all.push(format!("NOT id IN [{}]", ids(&filter.not_ids)));
    }
    if !filter.not_owners.is_empty() {
        all.push(format!("NOT owner IN [{}]", ids(&filter.not_owners)));
    }
    if let Some(only) = &filter.only_ids {
        all.push(format!("id IN [{}]", ids(only)));
    }
    all.join(" AND ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_come_back(text in "\\PC{0,160}", other in "\\PC{0,160}") {
            let own = kept(&text);
            prop_assert!(own.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_%".contains(&b)));
            prop_assert!(own.len() <= LONGEST);
            prop_assert_eq!(own == kept(&other), text == other);
            prop_assert_eq!(own == kept(&format!("{text}{other}")), other.is_empty());
            match word(&own).strip_suffix('…') {
                Some(beginning) if own.contains(GOES_ON) => prop_assert!(text.starts_with(beginning)),
                _ => prop_assert_eq!(word(&own), text),
            }
        }
    }

    #[test]
    fn a_filter_is_a_conjunction() {
        let filter = Filter {
            any_skills: vec!["c++".into(), "a\"b\\".into()],
            budget_min: Some(5),
            only_ids: Some(vec![Uuid::nil()]),
            ..Filter::default()
        };
        assert_eq!(
            demand(&filter),
            "gone = false AND skills IN [\"c%2b%2b\", \"a%22b%5c\"] AND budget_minor >= 5 \
             AND id IN [\"00000000-0000-0000-0000-000000000000\"]"
        );
    }
}
