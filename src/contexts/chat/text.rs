//! Text that people typed: what is taken, what is refused, in one place.
//!
//! * **Normal form**: NFC, so that what looks the same compares the same.
//! * **Control characters** (Unicode category Cc) are refused, except line feed and tab in a
//!   message; CR LF becomes LF. A NUL would not even fit a Postgres text.
//! * **Bidirectional overrides** (U+202D, U+202E) are refused: they make a text read other than it
//!   is stored, and no writing system needs them. Embeddings and isolates stay, right-to-left
//!   writing uses them; they end with their paragraph (UAX #9), so whoever shows a message in a
//!   block of its own (with `dir="auto"`) is safe from one that is left open.
//! * A text of nothing but blanks and invisible characters is empty.

use std::{fmt, str::FromStr};

use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

/// Why a text was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing visible in it.
    #[error("must not be empty")]
    Empty,
    /// Too many characters (Unicode scalar values, after normalisation).
    #[error("must be at most {0} characters long")]
    TooLong(usize),
    /// A control character.
    #[error("must not contain the control character U+{0:04X}")]
    Control(u32),
    /// A bidirectional override.
    #[error("must not contain the direction override U+{0:04X}")]
    Override(u32),
    /// A character outside of an id's alphabet.
    #[error("may hold only ASCII letters, digits and . _ : @ + / = ~ -")]
    Alphabet,
}

fn clean(raw: &str, max: usize, lines: bool) -> Result<String, TextError> {
    // NFC never makes more characters out of fewer than a third of them; refusing early keeps a
    // huge text from being normalised first.
    if raw.len() > max.saturating_mul(16) {
        return Err(TextError::TooLong(max));
    }
    let text: String = raw.trim().replace("\r\n", "\n").nfc().collect();
    for c in text.chars() {
        match c {
            '\n' | '\t' if lines => {}
            '\u{202D}' | '\u{202E}' => return Err(TextError::Override(c.into())),
            c if c.is_control() => return Err(TextError::Control(c.into())),
            _ => {}
        }
    }
    if text.chars().count() > max {
        return Err(TextError::TooLong(max));
    }
    Ok(text)
}

/// Whether a character leaves no mark on the page: blanks and the default-ignorable ones that
/// people paste (zero-width spaces and joiners, marks of direction, soft hyphen, byte order mark,
/// variation selectors, Hangul fillers).
fn invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202C}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{E0000}'..='\u{E0FFF}')
}

macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text, owned.
            pub fn into_inner(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_type!(
    /// What a message says: 1 to 4,000 characters.
    Body
);
text_type!(
    /// A room's name: 1 to 80 characters on one line.
    RoomName
);
text_type!(
    /// What a room is about: up to 250 characters on one line.
    Topic
);
text_type!(
    /// What a sender calls a message, so that sending it again is harmless: 1 to 64 characters of
    /// `[A-Za-z0-9._:@+/=~-]`.
    ClientMsgId
);

impl Body {
    /// The most characters.
    pub const MAX: usize = 4_000;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Body {
    type Err = TextError;
    fn from_str(raw: &str) -> Result<Self, TextError> {
        let text = clean(raw, Self::MAX, true)?;
        if text.chars().all(invisible) { Err(TextError::Empty) } else { Ok(Self(text)) }
    }
}

impl RoomName {
    /// The most characters.
    pub const MAX: usize = 80;
}

impl FromStr for RoomName {
    type Err = TextError;
    fn from_str(raw: &str) -> Result<Self, TextError> {
        let text = clean(raw, Self::MAX, false)?;
        if text.chars().all(invisible) { Err(TextError::Empty) } else { Ok(Self(text)) }
    }
}

impl Topic {
    /// The most characters.
    pub const MAX: usize = 250;
}

impl FromStr for Topic {
    type Err = TextError;
    fn from_str(raw: &str) -> Result<Self, TextError> {
        clean(raw, Self::MAX, false).map(Self)
    }
}

impl ClientMsgId {
    /// The most characters.
    pub const MAX: usize = 64;

    /// The id of an event that the server itself writes. `#` is outside of the clients' alphabet,
    /// so no client can take it.
    pub fn internal(id: uuid::Uuid) -> Self {
        Self(format!("#{}", id.simple()))
    }

    /// An id that a log gave back.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the server itself made it.
    pub fn is_internal(&self) -> bool {
        self.0.starts_with('#')
    }
}

impl FromStr for ClientMsgId {
    type Err = TextError;
    fn from_str(raw: &str) -> Result<Self, TextError> {
        match raw.len() {
            0 => Err(TextError::Empty),
            n if n > Self::MAX => Err(TextError::TooLong(Self::MAX)),
            _ if raw.bytes().all(|b| b.is_ascii_alphanumeric() || b"._:@+/=~-".contains(&b)) => {
                Ok(Self(raw.to_owned()))
            }
            _ => Err(TextError::Alphabet),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn body(raw: &str) -> Result<String, TextError> {
        raw.parse::<Body>().map(Body::into_inner)
    }

    #[test]
    fn bodies_are_trimmed_and_normalised() {
        assert_eq!(body("  hi\r\nthere\t! \n"), Ok("hi\nthere\t!".into()));
        assert_eq!(body("e\u{301}"), Ok("é".into()));
        assert_eq!(body("👩‍🎓 שלום"), Ok("👩‍🎓 שלום".into()));
    }

    #[test]
    fn bodies_that_are_refused() {
        assert_eq!(body(""), Err(TextError::Empty));
        assert_eq!(body(" \n\t "), Err(TextError::Empty));
        assert_eq!(body("\u{200B}\u{2060}\u{FEFF}"), Err(TextError::Empty));
        assert_eq!(body("a\0b"), Err(TextError::Control(0)));
        assert_eq!(body("a\rb"), Err(TextError::Control(0x0D)));
        assert_eq!(body("a\u{85}b"), Err(TextError::Control(0x85)));
        assert_eq!(body("\u{202E}txt.exe"), Err(TextError::Override(0x202E)));
    }

    #[test]
    fn the_bound_counts_characters_not_bytes() {
        assert!(body(&"é".repeat(4_000)).is_ok());
        assert_eq!(body(&"é".repeat(4_001)), Err(TextError::TooLong(4_000)));
        assert!(body(&"e\u{301}".repeat(4_000)).is_ok(), "counted after normalisation");
        assert_eq!(body(&"x".repeat(10_000_000)), Err(TextError::TooLong(4_000)));
    }

    #[test]
    fn client_ids() {
        for good in ["a", "0197-ab:cd_ef.1", "user@host/1+2=3~4", &"x".repeat(64)] {
            assert!(good.parse::<ClientMsgId>().is_ok(), "{good}");
        }
        for bad in ["", "#internal", "with space", "naïve", "a\n", &"x".repeat(65)] {
            assert!(bad.parse::<ClientMsgId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_are_of_one_line() {
        assert!("Thesis group".parse::<RoomName>().is_ok());
        assert!("two\nlines".parse::<RoomName>().is_err());
        assert!("\u{3164}".parse::<RoomName>().is_err());
        assert!("".parse::<Topic>().is_ok());
        assert!("x".repeat(251).parse::<Topic>().is_err());
    }

    proptest! {
        #[test]
        fn an_accepted_body_is_within_bounds_and_stays_as_it_is(raw in any::<String>()) {
            if let Ok(once) = body(&raw) {
                prop_assert!((1..=Body::MAX).contains(&once.chars().count()));
                prop_assert!(!once.chars().any(|c| c.is_control() && c != '\n' && c != '\t'));
                prop_assert_eq!(body(&once), Ok(once));
            }
        }
    }
}
