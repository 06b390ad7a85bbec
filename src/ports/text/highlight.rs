//! Text with the places that match. Never markup: who shows it decides how.

use super::words::{Word, words};

/// A snippet's length, in characters.
const SNIPPET: usize = 240;
/// So much of it comes before the first match.
const LEAD: usize = 60;

/// Plain text, and where in it the matches are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Highlighted {
    /// The text.
    pub text: String,
    /// Matches as `[start, end)` in bytes of `text`, ascending, apart, on boundaries of characters.
    pub ranges: Vec<(usize, usize)>,
}

impl Highlighted {
    /// Text in which nothing matches.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ranges: Vec::new() }
    }

    /// The text in pieces, and whether each matches.
    pub fn parts(&self) -> Vec<(&str, bool)> {
        let mut parts = Vec::new();
        let mut at = 0;
        for (start, end) in &self.ranges {
            parts.push((self.text.get(at..*start).unwrap_or_default(), false));
            parts.push((self.text.get(*start..*end).unwrap_or_default(), true));
            at = *end;
        }
        parts.push((self.text.get(at..).unwrap_or_default(), false));
        parts.retain(|(piece, _)| !piece.is_empty());
        parts
    }

    /// The ranges in UTF-16 code units, as browsers count.
    pub fn utf16(&self) -> Vec<(usize, usize)> {
        let units = |end: usize| self.text.get(..end).map_or(0, |part| part.encode_utf16().count());
        self.ranges.iter().map(|(start, end)| (units(*start), units(*end))).collect()
    }

    /// Text with ranges that another program found: what does not lie in the text, on boundaries of
    /// characters and after the one before is left out.
    pub(crate) fn with(text: String, mut ranges: Vec<(usize, usize)>) -> Self {
        ranges.sort_unstable();
        let mut at = 0;
        ranges.retain(|(start, end)| {
            let fits = *start >= at && start < end && text.get(*start..*end).is_some();
            if fits {
                at = *end;
            }
            fits
        });
        Self { text, ranges }
    }
}

impl Highlighted {
    /// A piece around where most matches; the beginning, where nothing does.
    pub(crate) fn cut(self) -> Self {
        let Self { text, ranges } = self;
        let (from, to) = window(&text, &ranges);
        let (before, after) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
        let piece = format!("{before}{}{after}", text.get(from..to).unwrap_or_default());
        let inside = ranges.into_iter().filter(|(start, end)| *start >= from && *end <= to);
        let moved = inside.map(|(start, end)| (start - from + before.len(), end - from + before.len()));
        Self { ranges: moved.collect(), text: piece }
    }
}

/// What words of a document match a query.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matcher {
    /// These.
    pub whole: Vec<String>,
    /// Those that begin so.
    pub prefixes: Vec<String>,
    /// Those that begin so and are little longer: other forms of a word.
    pub stems: Vec<String>,
}

impl Matcher {
    fn matches(&self, word: &Word) -> bool {
        let text = word.folded.as_str();
        let begins = |stem: &String| text.starts_with(stem.as_str()) && text.len() <= stem.len() + 4;
        self.whole.iter().any(|whole| whole == text)
            || self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str()))
            || self.stems.iter().any(begins)
    }

    fn ranges(&self, text: &str) -> Vec<(usize, usize)> {
        words(text).iter().filter(|word| self.matches(word)).map(|word| (word.start, word.end)).collect()
    }

    /// The whole text.
    pub fn highlight(&self, text: &str) -> Highlighted {
        Highlighted { text: text.to_owned(), ranges: self.ranges(text) }
    }

    /// A piece of the text around where most matches; its beginning, where nothing does.
    pub fn snippet(&self, text: &str) -> Highlighted {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Highlighted { ranges: self.ranges(&text), text }.cut()
    }
}

/// Which bytes of the text a snippet shows.
fn window(text: &str, ranges: &[(usize, usize)]) -> (usize, usize) {
    let forward = |from: usize, chars: usize| {
        text.get(from..).and_then(|rest| rest.char_indices().nth(chars)).map_or(text.len(), |(n, _)| from + n)
    };
    let back = |from: usize, chars: usize| {
        let before = text.get(..from).and_then(|start| start.char_indices().rev().nth(chars));
        before.map_or(0, |(at, _)| at)
    };
    let best = ranges.iter().take(50).max_by_key(|(start, _)| {
        let end = forward(*start, SNIPPET - LEAD);
        // Of equals the first.
        (ranges.iter().filter(|(s, e)| s >= start && *e <= end).count(), std::cmp::Reverse(*start))
    });
    let mut from = best.map_or(0, |(start, _)| back(*start, LEAD));
    let first = best.map_or(0, |(start, _)| *start);
    // Not in the middle of a word.
    if from > 0
        && let Some((space, blank)) =
            text.get(from..first).and_then(|lead| lead.char_indices().find(|(_, c)| c.is_whitespace()))
    {
        from += space + blank.len_utf8();
    }
    let mut to = forward(from, SNIPPET);
    let last = best.map_or(from, |(_, end)| *end);
    if to < text.len()
        && let Some(space) = text.get(last.min(to)..to).and_then(|tail| tail.rfind(char::is_whitespace))
    {
        to = last.min(to) + space;
    }
    (from, to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(words: &[&str]) -> Matcher {
        Matcher { whole: words.iter().map(|word| (*word).to_owned()).collect(), ..Matcher::default() }
    }

    #[test]
    fn a_title_is_shown_whole_with_what_matches() {
        let shown = matcher(&["cafe"]).highlight("Ein <b>Café</b> 🎨 cafe");
        assert_eq!(shown.parts(), [("Ein <b>", false), ("Café", true), ("</b> 🎨 ", false), ("cafe", true)]);
        assert_eq!(shown.utf16(), [(7, 11), (19, 23)]);
    }

    #[test]
    fn a_snippet_is_around_the_most_matches() {
        let far = format!(
            "{} one needle here. {} needle, needle and needle. {}",
            "x ".repeat(300),
            "y ".repeat(300),
            "z ".repeat(300)
        );
        let shown = matcher(&["needle"]).snippet(&far);
        assert_eq!(shown.ranges.len(), 3, "{shown:?}");
        assert!(
            shown.text.starts_with('…') && shown.text.ends_with('…') && shown.text.chars().count() <= 242
        );
        let none = matcher(&["nothing"]).snippet("short\ntext");
        assert_eq!(none, Highlighted::plain("short text"));
    }

    proptest! {
        #[test]
        fn ranges_lie_in_the_text(text in "\\PC{0,400}", word in "[a-z]{1,2}") {
            let by = Matcher { prefixes: vec![word], ..Matcher::default() };
            for shown in [by.highlight(&text), by.snippet(&text)] {
                let mut at = 0;
                for (start, end) in &shown.ranges {
                    prop_assert!(*start >= at && start < end && shown.text.get(*start..*end).is_some());
                    at = *end;
                }
                let joined: String = shown.parts().into_iter().map(|(piece, _)| piece).collect();
                prop_assert_eq!(&joined, &shown.text);
                let checked = Highlighted::with(shown.text.clone(), shown.ranges.clone());
                prop_assert_eq!(checked, shown);
            }
        }
    }
}
