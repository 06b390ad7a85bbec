//! Keys that were to be deleted while Redis was away. They are deleted before anything is read again.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Past so many keys, one that all cached entries hang on is deleted instead.
const MOST: usize = 10_000;

pub(super) struct Owed {
    keys: Mutex<BTreeSet<String>>,
    everything: String,
}

impl Owed {
    pub(super) const fn new(everything: String) -> Self {
        Self { keys: Mutex::new(BTreeSet::new()), everything }
    }

    pub(super) fn add(&self, keys: Vec<String>) {
        let mut owed = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        owed.extend(keys);
        if owed.len() > MOST {
            owed.clear();
            owed.insert(self.everything.clone());
        }
    }

    /// Does something while nothing is owed, and nothing can come to be.
    pub(super) fn if_none<T>(&self, then: impl FnOnce() -> T) -> Option<T> {
        let owed = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        owed.is_empty().then(then)
    }

    pub(super) fn all(&self) -> Vec<String> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// These are deleted. One that was owed again meanwhile is deleted once more: harmless.
    pub(super) fn paid(&self, keys: &[String]) {
        let mut owed = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            owed.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_small() {
        let owed = Owed::new("all".into());
        owed.add(vec!["a".into(), "b".into(), "a".into()]);
        assert_eq!(owed.all(), ["a", "b"]);
        owed.paid(&["a".into()]);
        assert_eq!(owed.all(), ["b"]);
        owed.add((0..=MOST).map(|n| n.to_string()).collect());
        assert_eq!(owed.all(), ["all"]);
        owed.paid(&["all".into()]);
        assert_eq!(owed.if_none(|| 1), Some(1));
    }
}
