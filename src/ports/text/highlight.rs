//! Text with the places that match. Never markup: who shows it decides how.

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
}
