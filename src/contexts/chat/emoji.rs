//! What people react with: one emoji.

use std::str::FromStr;

use serde::Serialize;

/// One emoji: a base with its modifiers, a flag or a keycap, or several joined (UTS #51 §1.4.9, without
/// the table of those that a font has a picture for).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Emoji(String);

/// Why a text is no emoji.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one emoji")]
pub struct NoEmoji;

/// The longest one, in Unicode scalar values: a family of four with skin tones has eleven, a flag with
/// tags fourteen at most.
const LONGEST: usize = 16;

const JOINER: char = '\u{200D}';
const PRESENTATION: char = '\u{FE0F}';
const KEYCAP: char = '\u{20E3}';

const fn is_base(c: char) -> bool {
    matches!(c,
        '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}'
        | '\u{2194}'..='\u{21AA}' | '\u{231A}'..='\u{23FA}' | '\u{24C2}' | '\u{25AA}'..='\u{25FE}'
        | '\u{2600}'..='\u{27BF}' | '\u{2934}' | '\u{2935}' | '\u{2B05}'..='\u{2B55}' | '\u{3030}'
        | '\u{303D}' | '\u{3297}' | '\u{3299}' | '\u{1F004}' | '\u{1F0CF}' | '\u{1F170}'..='\u{1F19A}'
        | '\u{1F201}'..='\u{1F251}' | '\u{1F300}'..='\u{1F3FA}' | '\u{1F400}'..='\u{1FAFF}')
}

const fn is_flag_letter(c: char) -> bool {
    matches!(c, '\u{1F1E6}'..='\u{1F1FF}')
}

/// Reads one element, answers what is behind it.
fn element(text: &[char]) -> Option<&[char]> {
    match text {
        [a, b, rest @ ..] if is_flag_letter(*a) && is_flag_letter(*b) => Some(rest),
        ['0'..='9' | '#' | '*', PRESENTATION, KEYCAP, rest @ ..]
        | ['0'..='9' | '#' | '*', KEYCAP, rest @ ..] => Some(rest),
        [base, rest @ ..] if is_base(*base) => {
            let rest = rest.strip_prefix(&[PRESENTATION]).unwrap_or(rest);
            let rest = match rest {
                ['\u{1F3FB}'..='\u{1F3FF}', rest @ ..] => rest,
                rest => rest,
            };
            let tags = rest.iter().take_while(|c| matches!(c, '\u{E0020}'..='\u{E007F}')).count();
            Some(&rest[tags..])
        }
        _ => None,
    }
}

impl FromStr for Emoji {
    type Err = NoEmoji;

    fn from_str(raw: &str) -> Result<Self, NoEmoji> {
        let all: Vec<char> = raw.chars().take(LONGEST + 1).collect();
        if all.len() > LONGEST {
            return Err(NoEmoji);
        }
        let mut rest = element(&all).ok_or(NoEmoji)?;
        while let [JOINER, next @ ..] = rest {
            rest = element(next).ok_or(NoEmoji)?;
        }
        if rest.is_empty() { Ok(Self(raw.to_owned())) } else { Err(NoEmoji) }
    }
}

impl Emoji {
    /// The text, owned.
    pub fn into_inner(self) -> String {
        self.0
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_emoji_and_nothing_else() {
        for good in ["👍", "👍🏽", "❤️", "❤", "🇩🇪", "1️⃣", "👩‍🎓", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🏳️‍🌈", "✅", "🫡"]
        {
            assert!(good.parse::<Emoji>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "a",
            "1",
            ":+1:",
            "👍👍",
            "👍 ",
            "👍a",
            "\u{200D}",
            "👍\u{200D}",
            "🇩",
            "\u{1F3FB}\u{1F3FB}",
            "<b>",
        ] {
            assert!(bad.parse::<Emoji>().is_err(), "{bad}");
        }
        assert!("👍\u{200D}".repeat(20).parse::<Emoji>().is_err());
    }
}
