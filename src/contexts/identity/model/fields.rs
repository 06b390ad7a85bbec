//! Short texts that others will read.

use unicode_normalization::UnicodeNormalization;

/// The longest display name, in characters.
pub const DISPLAY_NAME_MAX: usize = 64;
/// The longest headline, in characters.
pub const HEADLINE_MAX: usize = 120;
/// The longest biography, in characters.
pub const BIO_MAX: usize = 2000;
/// The longest device name, in characters.
pub const DEVICE_MAX: usize = 80;

/// A name that others see: NFC, trimmed, one line, 1 to 64 characters.
///
/// # Errors
/// What is wrong with it.
pub fn display_name(text: &str) -> Result<String, String> {
    let name = line(text, DISPLAY_NAME_MAX)?;
    if !name.chars().any(char::is_alphanumeric) {
        return Err("needs a letter or a digit".into());
    }
    Ok(name)
}

/// What a client calls the device it runs on; one line of at most 80 characters, or nothing.
///
/// # Errors
/// What is wrong with it.
pub fn device(text: &str) -> Result<Option<String>, String> {
    optional_line(text, DEVICE_MAX)
}

pub(super) fn optional_line(text: &str, max: usize) -> Result<Option<String>, String> {
    if text.trim().is_empty() { Ok(None) } else { line(text, max).map(Some) }
}

fn line(text: &str, max: usize) -> Result<String, String> {
    let text = bounded(text, max)?;
    if text.is_empty() {
        return Err("is missing".into());
    }
    if text.chars().any(|c| c.is_control() || is_format(c)) {
        return Err("must not contain control characters".into());
    }
    Ok(text)
}

/// Several lines: control characters other than the line feed and the tab are refused.
pub(super) fn paragraph(text: &str, max: usize) -> Result<Option<String>, String> {
    let text = bounded(&text.replace("\r\n", "\n"), max)?;
    if text.chars().any(|c| (c.is_control() && c != '\n' && c != '\t') || is_format(c)) {
        return Err("must not contain control characters".into());
    }
    Ok((!text.is_empty()).then_some(text))
}

fn bounded(text: &str, max: usize) -> Result<String, String> {
    // Four bytes a character bounds the work before any normalisation is done.
    if text.len() > 8 * max {
        return Err(format!("is longer than {max} characters"));
    }
    let text: String = text.trim().nfc().collect();
    if text.chars().count() > max {
        return Err(format!("is longer than {max} characters"));
    }
    Ok(text)
}

/// Characters that are invisible or turn the text around: a name holding one can pose as another.
/// The joiners U+200C and U+200D stay allowed: Persian, Indic scripts and emoji need them.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_people_pass() {
        for name in ["Ann", "  Zoë Żółć ", "李小龙", "O'Neil-Smith Jr.", "نیلوفر‌ها", "X Æ A-12"]
        {
            assert_eq!(display_name(name).unwrap(), name.trim());
        }
    }

    #[test]
    fn names_that_hide_or_break_lines_do_not() {
        for bad in ["", "  \t", "a\nb", "a\0b", "evil\u{202E}gnp", "a\u{200B}b", "…", &"x".repeat(65)] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_is_accepted_again_unchanged(text in "\\PC{0,70}") {
            if let Ok(name) = display_name(&text) {
                prop_assert!(name.chars().count() <= DISPLAY_NAME_MAX);
                prop_assert_eq!(display_name(&name), Ok(name));
            }
        }

        #[test]
        fn no_control_character_survives(text in any::<String>()) {
            if let Ok(name) = display_name(&text) {
                prop_assert!(!name.chars().any(char::is_control));
            }
        }
    }
}
