//! Names of objects.

use std::fmt;

/// The longest key, in bytes: S3's own bound.
const LONGEST: usize = 1024;

/// What is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key: 1 to 1024 bytes in segments without . and .., control characters and backslashes")]
pub struct BadKey;

/// An object's name: segments joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

impl Key {
    /// A key out of a text.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn new(text: impl Into<String>) -> Result<Self, BadKey> {
        let text = text.into();
        let segment = |part: &str| !part.is_empty() && part != "." && part != "..";
        let plain = |c: char| !c.is_control() && c != '\\';
        let fits =
            (1..=LONGEST).contains(&text.len()) && text.split('/').all(segment) && text.chars().all(plain);
        if fits { Ok(Self(text)) } else { Err(BadKey) }
    }

    /// The key of something with an id: `<folder>/<two letters>/<id>`. The letters are the id's last,
    /// which are random, so that no folder and no partition of a bucket takes all of a day's objects.
    pub fn of(folder: &'static str, id: uuid::Uuid) -> Self {
        let id = id.simple().to_string();
        Self(format!("{folder}/{}/{id}", &id[30..]))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_leaves_the_folder_is_no_key() {
        for bad in ["", "..", "a/..", "../a", "a/../b", "/a", "a/", "a//b", "./a", "a\0b", "a\\b", "a\nb"] {
            assert_eq!(Key::new(bad), Err(BadKey), "{bad:?}");
        }
        assert_eq!(Key::new("x".repeat(1025)), Err(BadKey));
        for good in ["a", "a/b", "..a/b..", "a b/ü", &"x".repeat(1024)] {
            assert!(Key::new(good).is_ok(), "{good}");
        }
    }

    proptest! {
        #[test]
        fn no_key_has_a_segment_that_means_something_else(text in "[a./\\\\]{0,12}") {
            if let Ok(key) = Key::new(text) {
                prop_assert!(key.as_str().split('/').all(|part| !part.is_empty() && part != "." && part != ".."));
                prop_assert!(!key.as_str().contains('\\'));
            }
        }
    }
}
