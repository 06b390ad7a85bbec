//! Cutting a text into words: folded to lower case without accents, joined ones (`c++`, `ci/cd`) kept where
//! they are known.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// As far as a text is read, in characters.
pub(super) const MAX_CHARS: usize = 16_384;
/// As far as a word is read, in characters.
pub(super) const MAX_WORD: usize = 48;
/// Signs after a letter that may belong to a word.
const MAX_SIGNS: usize = 3;

/// Compatibility-decomposed (NFKD), without marks, in lower case.
fn fold(text: &str) -> Vec<char> {
    text.chars()
        .take(MAX_CHARS)
        .nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Signs that may stand inside a word, or after it.
fn joins(letter: char) -> bool {
    matches!(letter, '.' | '+' | '#' | '/' | '-')
}

/// Writing without spaces: each sign is a word.
fn wide(letter: char) -> bool {
    matches!(u32::from(letter), 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF)
}

/// Hands each word of a text to `then`. Takes time in proportion to the text.
pub(super) fn each(text: &str, known: impl Fn(&str) -> bool, mut then: impl FnMut(&str)) {
    let letters = fold(text);
    let mut rest = letters.as_slice();
    while let Some((first, after)) = rest.split_first() {
        let begins = first.is_alphanumeric()
            || (*first == '.' && after.first().is_some_and(|next| next.is_alphanumeric()));
        if !begins {
            rest = after;
            continue;
        }
        let end = rest.iter().position(|letter| !letter.is_alphanumeric() && !joins(*letter));
        let (run, later) = rest.split_at(end.unwrap_or(rest.len()));
        rest = later;
        match joined(run).filter(|word| known(word)) {
            Some(word) => then(&word),
            None => parts(run, &known, &mut then),
        }
    }
}

/// The run as one word, if it is more than letters and digits.
fn joined(run: &[char]) -> Option<String> {
    let end = run.iter().rposition(|letter| !matches!(letter, '.' | '/' | '-'))? + 1;
    let word: String = run.iter().take(end.min(MAX_WORD)).collect();
    word.chars().any(|letter| !letter.is_alphanumeric()).then_some(word)
}

/// Its stretches of letters and digits, each with its signs if that is known.
fn parts(run: &[char], known: &impl Fn(&str) -> bool, then: &mut impl FnMut(&str)) {
    let mut word = String::new();
    let mut length = 0;
    for (place, &letter) in run.iter().enumerate() {
        if letter.is_alphanumeric() && !wide(letter) {
            if length < MAX_WORD {
                word.push(letter);
            }
            length += 1;
            continue;
        }
        finish(&mut word, run.get(place..).unwrap_or_default(), known, then);
        length = 0;
        if letter.is_alphanumeric() {
            then(letter.encode_utf8(&mut [0; 4]));
        }
    }
    finish(&mut word, &[], known, then);
}

/// Hands on a word, with the signs that follow it if it is known with them.
fn finish(word: &mut String, after: &[char], known: &impl Fn(&str) -> bool, then: &mut impl FnMut(&str)) {
    if word.is_empty() {
        return;
    }
    let bare = word.len();
    word.extend(after.iter().take_while(|sign| matches!(sign, '+' | '#')).take(MAX_SIGNS));
    if !known(word) {
        word.truncate(bare);
    }
    then(word);
    word.clear();
}
