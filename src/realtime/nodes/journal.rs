//! A node's own numbered stream: what it told the others, kept for a while to be said again.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::wire::Entry;

/// Entries kept at most, and their bytes.
const KEPT: usize = 16 * 1024;
const KEPT_BYTES: usize = 8 * 1024 * 1024;
/// One word carries so many bytes of entries, and so many of them, at most.
pub(super) const BATCH_BYTES: usize = 64 * 1024;
const BATCH: usize = 256;

/// The stream. Numbers begin with 1.
#[derive(Default)]
pub(super) struct Journal {
    /// The last number given.
    last: u64,
    /// The last number handed out to be sent.
    sent: u64,
    kept: VecDeque<Box<RawValue>>,
    bytes: usize,
}

impl Journal {
    /// Adds an entry.
    pub fn push(&mut self, entry: &Entry) {
        let encoded = serde_json::value::to_raw_value(entry).ok();
        let short = encoded.filter(|text| text.get().len() <= BATCH_BYTES);
        let Some(text) = short.or_else(|| serde_json::value::to_raw_value(&Entry::Unsaid).ok()) else {
            return;
        };
        self.last += 1;
        self.bytes += text.get().len();
        self.kept.push_back(text);
        // What is not sent yet goes too: then the others learn that something is lost.
        while self.kept.len() > KEPT || self.bytes > KEPT_BYTES {
            let Some(gone) = self.kept.pop_front() else { break };
            self.bytes -= gone.get().len();
        }
    }

    /// The last number handed out.
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Before the first number that is kept.
    fn floor(&self) -> u64 {
        self.last - self.kept.len() as u64
    }

    /// Whether all entries after `n` can be said again.
    pub fn reaches(&self, n: u64) -> bool {
        n >= self.floor() && n <= self.last
    }

    /// The next entries to send: the first one's number, and they.
    pub fn take(&mut self) -> Option<(u64, Vec<&RawValue>)> {
        let after = self.sent.max(self.floor());
        let count = self.batch(after, self.last);
        self.sent = after + count as u64;
        (count > 0).then(|| (after + 1, self.slice(after, count)))
    }

    /// Some of the sent entries after `n`, as many as one word carries.
    pub fn again(&self, n: u64) -> Option<(u64, Vec<&RawValue>)> {
        let count = if self.reaches(n) { self.batch(n, self.sent) } else { 0 };
        (count > 0).then(|| (n + 1, self.slice(n, count)))
    }

    fn batch(&self, after: u64, through: u64) -> usize {
        let mut bytes = 0;
        let most = through.saturating_sub(after).min(BATCH as u64) as usize;
        let there = self.kept.iter().skip((after - self.floor()) as usize).take(most);
        let fitting = there.take_while(|entry| {
            bytes += entry.get().len();
            bytes <= 2 * BATCH_BYTES
        });
        fitting.count()
    }

    fn slice(&self, after: u64, count: usize) -> Vec<&RawValue> {
        self.kept.iter().skip((after - self.floor()) as usize).take(count).map(|entry| &**entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::{channels::Channel, protocol::json::Json};

    fn ring(bytes: usize) -> Entry {
        let data = Json::of(&"x".repeat(bytes)).unwrap();
        Entry::Ring { channel: Channel::of("gigs", "feed"), data }
    }

    #[test]
    fn entries_go_out_once_in_order_and_can_be_said_again() {
        let mut journal = Journal::default();
        (0..600).for_each(|_| journal.push(&ring(1)));
        let mut next = 1;
        while let Some((first, entries)) = journal.take() {
            assert_eq!(first, next);
            next += entries.len() as u64;
        }
        assert_eq!((next, journal.sent()), (601, 600));
        assert_eq!(journal.again(598).map(|(first, entries)| (first, entries.len())), Some((599, 2)));
        assert!(journal.again(600).is_none() && journal.reaches(600) && !journal.reaches(601));
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_gone_shows() {
        let mut journal = Journal::default();
        journal.push(&ring(BATCH_BYTES));
        let (_, entries) = journal.take().unwrap();
        assert_eq!(serde_json::from_str::<Entry>(entries[0].get()).unwrap(), Entry::Unsaid);
        (0..300).for_each(|_| journal.push(&ring(BATCH_BYTES / 2)));
        assert!(journal.bytes <= KEPT_BYTES && !journal.reaches(1));
        let (first, _) = journal.take().unwrap();
        assert!(first > 2, "what was never sent is skipped, and the others see the hole");
        (0..2 * KEPT).for_each(|_| journal.push(&ring(1)));
        assert_eq!(journal.kept.len(), KEPT);
    }
}
