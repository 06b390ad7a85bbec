//! Text as words. Documents, queries and highlights are cut by the same rules, so that what is typed meets
//! what was written.
//!
//! A word is a run of letters and digits; of ideographs and kana each is a word. `c++`, `c#` and `f#` stay
//! whole. Words are folded: compatibility decomposition (NFKD), without combining marks, in lower case, with
//! the Latin letters that have no decomposition spelt out. That is what the `unaccent` extension does, for
//! all scripts, on any server, and for highlights too.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A word longer than this is cut, in characters.
const LONGEST: usize = 64;

/// A word and where it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// As it is compared.
    pub folded: String,
}

/// The words of a text, in order.
pub(crate) fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if !first.is_alphanumeric() {
            continue;
        }
        let mut end = start + first.len_utf8();
        let mut letters = 1;
        while let Some((at, c)) = chars.peek().copied() {
            let goes_on = is_combining_mark(c) || (c.is_alphanumeric() && !alone(c) && !alone(first));
            if !goes_on {
                break;
            }
            letters += 1;
            end = at + c.len_utf8();
            chars.next();
        }
        let rest = text.get(end..).unwrap_or_default();
        let tail = match rest.as_bytes() {
            [b'+', b'+', ..] => 2,
            [b'#', ..] if letters == 1 && first.is_ascii_alphabetic() => 1,
            _ => 0,
        };
        for _ in 0..tail {
            chars.next();
        }
        end += tail;
        let folded = fold(text.get(start..end).unwrap_or_default());
        if !folded.is_empty() {
            found.push(Word { start, end, folded });
        }
    }
    found
}

/// Whether the character is a word by itself: languages that do not part words.
fn alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// A word as it is compared.
pub(crate) fn fold(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    let plain = word.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    // Lower case may bring marks again: İ.
    for c in plain.filter(|c| !is_combining_mark(*c)).take(LONGEST) {
        match c {
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            'ħ' => out.push('h'),
            'ı' => out.push('i'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'þ' => out.push_str("th"),
            c if c.is_alphanumeric() || c == '+' || c == '#' => out.push(c),
            _ => {}
        }
    }
    out
}

/// A text folded as a whole: its words with a space between.
pub(crate) fn folded(text: &str) -> String {
    words(text).into_iter().map(|word| word.folded).collect::<Vec<_>>().join(" ")
}

/// How many single-character mistakes are forgiven in a word.
pub(crate) const fn forgiven(letters: usize) -> usize {
    match letters {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// How many insertions, deletions, substitutions and swaps of neighbours lead from one word to the other
/// (optimal string alignment: Damerau's distance without edits between swapped letters), where `b` may go
/// on after its end costs nothing if `prefix`. `None` past `most`.
pub(crate) fn distance(a: &str, b: &str, prefix: bool, most: usize) -> Option<usize> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len() > b.len() + most || (!prefix && b.len() > a.len() + most) {
        return None;
    }
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j - 1] + same).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    let found = if prefix { last.iter().min().copied() } else { last.last().copied() };
    found.filter(|found| *found <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.folded).collect()
    }

    #[test]
    fn words_are_cut_and_folded() {
        assert_eq!(cut("Café-Crème, naïve!"), ["cafe", "creme", "naive"]);
        assert_eq!(cut("Cafe\u{301} ＡＢＣ ﬁne"), ["cafe", "abc", "fine"]);
        assert_eq!(
            cut("C++ and C#, node.js; issue #5 a+b"),
            ["c++", "and", "c#", "node", "js", "issue", "5", "a", "b"]
        );
        assert_eq!(cut("Straße Łódź Ærø İstanbul"), ["strasse", "lodz", "aero", "istanbul"]);
        assert_eq!(cut("设计 logo"), ["设", "计", "logo"]);
        assert_eq!(cut("مُصَمِّم 🎨 \u{202e}x\0y"), ["مصمم", "x", "y"]);
        assert!(cut("🎨 … --- \u{301}").is_empty());
    }

    #[test]
    fn distances() {
        for (a, b, wanted) in [
            ("design", "design", Some(0)),
            ("desing", "design", Some(1)),
            ("pyhton", "python", Some(1)),
            ("kuberntes", "kubernetes", Some(1)),
            ("abc", "xyz", None),
            ("developper", "developer", Some(1)),
        ] {
            assert_eq!(distance(a, b, false, 2), wanted, "{a} {b}");
        }
        assert_eq!(distance("desgi", "designer", true, 1), Some(1));
        assert_eq!(distance("desi", "designer", false, 2), None);
    }

    proptest! {
        #[test]
        fn a_word_is_where_it_says(text in "\\PC{0,60}") {
            let mut at = 0;
            for word in words(&text) {
                prop_assert!(word.start >= at && word.end > word.start);
                prop_assert!(text.is_char_boundary(word.start) && text.is_char_boundary(word.end));
                prop_assert!(word.folded.chars().all(|c| c.is_alphanumeric() || c == '+' || c == '#'));
                at = word.end;
            }
        }

        #[test]
        fn a_distance_is_one(a in "[a-c]{0,7}", b in "[a-c]{0,7}") {
            prop_assert_eq!(distance(&a, &b, false, 9), distance(&b, &a, false, 9));
            prop_assert_eq!(distance(&a, &b, false, 9) == Some(0), a == b);
        }
    }
}
