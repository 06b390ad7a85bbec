//! What may be a password.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A password as it is hashed: NFKC, so that it is the same from every keyboard (RFC 8265 §4.2
/// uses NFC; NIST SP 800-63B-4 §3.1.1.2 allows either).
///
/// It prints as `Password(…)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// The shortest, in characters.
    pub const MIN_CHARS: usize = 8;
    /// The longest, in bytes, before and after normalisation.
    pub const MAX_BYTES: usize = 256;

    /// A password that a person wants to have.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn choose(text: &str) -> Result<Self, &'static str> {
        let password = Self::given(text)?;
        if password.0.chars().count() < Self::MIN_CHARS {
            return Err("is shorter than 8 characters");
        }
        let folded = password.0.to_lowercase();
        if COMMON.contains(&folded.as_str()) || is_one_character(&folded) {
            return Err("is among the most common ones; choose another");
        }
        Ok(password)
    }

    /// A password that is offered as the right one: only its length is checked.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn given(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is missing");
        }
        if text.len() > Self::MAX_BYTES {
            return Err("is longer than 256 bytes");
        }
        let normal: String = text.nfkc().collect();
        // Some single characters become eighteen under NFKC.
        if normal.len() > Self::MAX_BYTES {
            return Err("is longer than 256 bytes");
        }
        Ok(Self(normal))
    }

    /// What is hashed.
    pub(in crate::contexts::identity) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

fn is_one_character(text: &str) -> bool {
    let mut chars = text.chars();
    let first = chars.next();
    chars.all(|c| Some(c) == first)
}

/// The passwords of eight characters and more that head every published list of leaked ones.
const COMMON: &[&str] = &[
    "password",
    "password1",
    "password12",
    "password123",
    "password1234",
    "passw0rd",
    "p@ssw0rd",
    "p@ssword",
    "12345678",
    "123456789",
    "1234567890",
    "0123456789",
    "987654321",
    "87654321",
    "123123123",
    "12341234",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "qwertyui",
    "qwertyuiop",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "asdfghjkl",
    "abcd1234",
    "abc12345",
    "abcdefgh",
    "iloveyou",
    "sunshine",
    "princess",
    "football",
    "baseball",
    "superman",
    "letmein1",
    "welcome1",
    "trustno1",
    "changeme",
    "administrator",
    "admin123",
    "starwars",
    "whatever",
    "computer",
    "michelle",
    "jennifer",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_choices_pass() {
        for good in ["gigsy-demo-1", "correct horse battery staple", "пароль-мой", "aB3!aB3!", "hunter22"]
        {
            assert!(Password::choose(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn short_long_and_common_ones_do_not() {
        let long = "x1".repeat(129);
        for bad in ["", "short12", "Password123", "aaaaaaaaaa", &long, &"\u{FDFA}".repeat(20)] {
            assert!(Password::choose(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_same_password_from_another_keyboard_is_the_same() {
        assert_eq!(Password::given("pa\u{308}ssword-ﬁne"), Password::given("p\u{e4}ssword-fine"));
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(format!("{:?}", Password::given("s3cret").unwrap()), "Password(…)");
    }
}
