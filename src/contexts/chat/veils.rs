//! Who has blocked whom, in memory: what live publications go by, which wait for no store.
//!
//! The table is the truth. It is read whole at the start, after words between nodes may have been missed,
//! and now and then; a change is read as soon as it is made, and other nodes are told whose it is.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use tokio::sync::Mutex;

use super::model::Event;
use crate::{
    principal::UserId,
    realtime::{Veiled, Veils},
};

/// The blocks of this moment. Cheap to clone.
#[derive(Clone, Default)]
pub struct Blocks {
    inner: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    known: RwLock<Known>,
    /// Held from before the table is read until what it says is known, so that nothing older comes after.
    reading: Mutex<()>,
}

#[derive(Default)]
struct Known {
    by: HashMap<UserId, Arc<HashSet<UserId>>>,
    /// How many have blocked a person.
    of: HashMap<UserId, usize>,
}

impl Known {
    fn set(&mut self, user: UserId, blocked: HashSet<UserId>) -> bool {
        let before = self.by.remove(&user);
        if before.as_deref() == Some(&blocked) || (before.is_none() && blocked.is_empty()) {
            self.by.extend(before.map(|before| (user, before)));
            return false;
        }
        for gone in before.iter().flat_map(|before| before.iter()) {
            if let Some(count) = self.of.get_mut(gone) {
                *count -= 1;
                if *count == 0 {
                    self.of.remove(gone);
                }
            }
        }
        for come in &blocked {
            *self.of.entry(*come).or_default() += 1;
        }
        if !blocked.is_empty() {
            self.by.insert(user, Arc::new(blocked));
        }
        true
    }
}

impl Blocks {
    /// Whom somebody blocked, and who blocked them.
    pub fn apart_from(&self, user: UserId) -> Vec<UserId> {
        let known = self.inner.known.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut apart: Vec<UserId> =
            known.by.get(&user).map(|blocked| blocked.iter().copied().collect()).unwrap_or_default();
        if known.of.get(&user).is_some_and(|n| *n > 0) {
            apart.extend(known.by.iter().filter(|(_, all)| all.contains(&user)).map(|(by, _)| *by));
        }
        apart
    }

    /// Begins a reading of the table; what is read is to be known before the guard goes.
    pub(super) async fn reading(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.inner.reading.lock().await
    }

    /// What the table says of one person; whether that is news.
    pub(super) fn set(&self, user: UserId, blocked: impl IntoIterator<Item = UserId>) -> bool {
        let mut known = self.inner.known.write().unwrap_or_else(PoisonError::into_inner);
        known.set(user, blocked.into_iter().collect())
    }

    /// The whole table; whose view is another one now.
    pub(super) fn set_all(&self, pairs: impl IntoIterator<Item = (UserId, UserId)>) -> Vec<UserId> {
        let mut all: HashMap<UserId, HashSet<UserId>> = HashMap::new();
        for (user, blocked) in pairs {
            all.entry(user).or_default().insert(blocked);
        }
        let mut known = self.inner.known.write().unwrap_or_else(PoisonError::into_inner);
        let free: Vec<UserId> = known.by.keys().filter(|user| !all.contains_key(user)).copied().collect();
        all.extend(free.into_iter().map(|user| (user, HashSet::new())));
        all.into_iter().filter_map(|(user, blocked)| known.set(user, blocked).then_some(user)).collect()
    }

    /// What those get who have blocked `author`; `None` where nobody has, and there is no need to say it.
    pub(super) fn veil(&self, author: UserId, instead: Option<serde_json::Value>) -> Option<Box<Veiled>> {
        let data = instead.and_then(|instead| crate::realtime::Json::of(&instead).ok());
        self.is_blocked(author).then(|| Box::new(Veiled { author, data }))
    }

    /// Whether anybody has blocked this person.
    pub(super) fn is_blocked(&self, author: UserId) -> bool {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
        known.of.contains_key(&author)
    }
}

impl Event {
    /// What those get of it who have blocked its sender, where anybody has.
    pub(super) fn veil(&self, blocks: &Blocks) -> Option<Box<Veiled>> {
        if !blocks.is_blocked(self.sender_id) {
            return None;
        }
        blocks.veil(self.sender_id, Some(self.veiled()?))
    }
}

impl Veils for Blocks {
    fn hidden_from(&self, user: UserId) -> Option<Arc<HashSet<UserId>>> {
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by.get(&user).cloned()
    }

    fn apart_from(&self, user: UserId) -> Vec<UserId> {
        Blocks::apart_from(self, user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_blocked_as_long_as_anybody_blocks_them() {
        let blocks = Blocks::default();
        let [ann, ben, cat] = [UserId::new(), UserId::new(), UserId::new()];
        assert!(blocks.set(ann, [cat]) && blocks.set(ben, [cat, ann]));
        assert!(!blocks.set(ann, [cat]), "nothing new");
        assert!(blocks.is_blocked(cat) && blocks.is_blocked(ann) && !blocks.is_blocked(ben));
        assert_eq!(blocks.hidden_from(ben).map(|hidden| hidden.len()), Some(2));
        let mut news = blocks.set_all([(cat, ben), (ben, cat)]);
        news.sort_unstable();
        let mut all = [ann, ben, cat];
        all.sort_unstable();
        assert_eq!(news, all);
        assert!(blocks.hidden_from(ann).is_none());
        assert!(blocks.is_blocked(cat) && blocks.is_blocked(ben) && !blocks.is_blocked(ann));
        assert!(blocks.veil(ann, None).is_none() && blocks.veil(ben, None).is_some());
        assert_eq!(blocks.set_all([]).len(), 2);
        assert!(!blocks.is_blocked(cat));
    }
}
