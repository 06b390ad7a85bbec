//! E-mail addresses.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An e-mail address in the one form that is stored and compared: NFKC, lower case.
///
/// RFC 5321 lets a host tell `Ann@` from `ann@`; no provider does, and two accounts that differ in
/// case alone would be a trap.
#[derive(Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Email(String);

impl Email {
    /// RFC 5321 §4.5.3.1.3: a path has 256 octets, of which two are the angle brackets.
    pub const MAX_BYTES: usize = 254;

    /// Checks and normalises.
    ///
    /// # Errors
    /// What is wrong, in words for the person who typed it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > 4 * Self::MAX_BYTES {
            return Err("is longer than 254 bytes");
        }
        let normal: String = text.trim().nfkc().flat_map(char::to_lowercase).collect();
        if normal.is_empty() {
            return Err("is missing");
        }
        if normal.len() > Self::MAX_BYTES {
            return Err("is longer than 254 bytes");
        }
        if normal.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("must not contain spaces or control characters");
        }
        normal.parse::<lettre::Address>().map_err(|_| "is not an e-mail address")?;
        Ok(Self(normal))
    }

    /// Takes one that is stored.
    pub(in crate::contexts::identity) fn stored(text: String) -> Self {
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// An address is personal: it does not get into a log by way of `{:?}`.
impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_and_compatibility_forms_do_not_make_another_account() {
        let plain = Email::parse("ann.lee@example.org").unwrap();
        for same in ["Ann.Lee@Example.ORG", "  ann.lee@example.org\n", "ａnn.lee@example.org"] {
            assert_eq!(Email::parse(same).unwrap(), plain, "{same:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("{}@example.org", "a".repeat(250));
        for bad in ["", " ", "ann", "@x.org", "ann@", "a b@x.org", "a@b@c", "a\0@x.org", &long, "<a@x.org>"] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn normalising_is_idempotent(text in "\\PC{0,30}@\\PC{0,20}|[a-zA-Z.+]{1,20}@[a-zA-Z]{1,10}\\.[a-z]{2,5}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }
    }
}
