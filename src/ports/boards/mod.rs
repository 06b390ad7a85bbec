//! Copies of leaderboards that several nodes share. The truth is the ledger of points; what answers
//! readers is the board's actor, in memory. The copy is for nodes that have no such actor yet: they
//! answer from it while their own is being made.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | [`MemoryBoards`] | tests, and where the structure is wanted within a process | sorted arrays |
//! | [`RedisBoards`] | `REDIS_URL` | a sorted set in which every score is 0 |
//!
//! The order is total: the higher score, then who reached it first, then the smaller id. A sorted set's
//! scores are floating-point numbers, exact to 2^53 only, and have no second criterion. But members of
//! *equal* score are ordered by their bytes, so the whole order is put into the member: 32 bytes,
//! `Row::key`. All scores of 64 bits are exact, and no two rows are ever equal.
//!
//! # One writer, and what was lost
//! A copy has one writer at a time, who holds a lease and stamps what it writes with the lease's fencing
//! token: the copy refuses a token lower than its own ([`Written::Fenced`]). With each write the writer
//! says how many rows there are then; a copy that has another number, or no stamp at all, has lost
//! something (an eviction, a flush, a restart, a half-done write) and is made anew ([`Written::Lost`]).
//! Until then its stamp is missing, and readers know better than to use it.

#[cfg(test)]
pub(crate) mod contract;
mod memory;
mod redis;

use futures_util::future::BoxFuture;
use uuid::Uuid;

pub use self::redis::RedisBoards;
pub use memory::MemoryBoards;

/// Somebody's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who.
    pub member: Uuid,
    /// Points.
    pub score: i64,
    /// When they were reached, in microseconds since 1970.
    pub reached: i64,
}

/// A standing and its place, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The place.
    pub rank: u64,
    /// Who stands there.
    pub row: Row,
}

/// What a row is ordered by: its bytes.
pub(crate) type Key = [u8; 32];

impl Row {
    /// Bytes whose order is the board's: the complement of the score, when it was reached, who; each
    /// big-endian, and signed numbers with their sign bit turned.
    pub(crate) fn key(&self) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(!turned(self.score)).to_be_bytes());
        key[8..16].copy_from_slice(&turned(self.reached).to_be_bytes());
        key[16..].copy_from_slice(self.member.as_bytes());
        key
    }

    /// The row of a key; `None` for bytes of another length.
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let (score, rest) = key.split_first_chunk::<8>()?;
        let (reached, member) = rest.split_first_chunk::<8>()?;
        Some(Self {
            member: Uuid::from_slice(member).ok()?,
            score: turned_back(!u64::from_be_bytes(*score)),
            reached: turned_back(u64::from_be_bytes(*reached)),
        })
    }
}

const fn turned(n: i64) -> u64 {
    n.cast_unsigned() ^ (1 << 63)
}

const fn turned_back(n: u64) -> i64 {
    (n ^ (1 << 63)).cast_signed()
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Somebody stands here now, whoever of them was there before.
    Put(Row),
    /// Somebody is on it no more.
    Gone(Uuid),
}

/// Who writes, and what they say of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The fencing token of the writer's lease.
    pub token: u64,
    /// Grows with each of the writer's writes. One that got no answer may be carried out long after: by then
    /// a later one is in the copy, and it is refused.
    pub turn: u64,
    /// What readers are to know; the writer's own words.
    pub about: String,
    /// How many are on the board once this is written.
    pub total: u64,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is in the copy.
    Done,
    /// The copy is not what this writer left: it has to be made anew.
    Lost,
    /// A later writer has taken over.
    Fenced,
    /// A later write of the same writer is in the copy: this one was left out.
    Late,
}

/// What is asked of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Up to `limit` rows from place `from` (1 is the first).
    Range {
        /// The first place.
        from: u64,
        /// How many.
        limit: u64,
    },
    /// Somebody, and up to `span` rows on each side; nothing if they are not on the board.
    Around {
        /// Who.
        member: Uuid,
        /// How many on each side.
        span: u64,
    },
    /// These, as far as they are on the board, in the order of their places.
    Among(Vec<Uuid>),
}

/// What a copy answers, all of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// In the board's order.
    pub rows: Vec<Ranked>,
    /// How many are on it.
    pub total: u64,
    /// What its writer says of it; `None` where the copy is not whole.
    pub about: Option<String>,
}

/// The copy cannot be reached: the board's own memory answers, and the copy is set right later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the board's copy cannot be reached: {0}")]
pub struct BoardsAway(pub String);

/// What a call answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BoardsAway>>;

/// Where copies are kept.
pub trait Boards: Send + Sync {
    /// Writes changes, each member at most once. No changes only look whether the copy is whole.
    fn write<'a>(&'a self, board: &'a str, stamp: &'a Stamp, changes: &'a [Change]) -> Answer<'a, Written>;
    /// Replaces the whole board at one moment: readers see the one before or the one after. `rows` has
    /// each member once, and as many as the stamp says.
    fn replace<'a>(&'a self, board: &'a str, stamp: &'a Stamp, rows: &'a [Row]) -> Answer<'a, Written>;
    /// Answers a question.
    fn view<'a>(&'a self, board: &'a str, query: &'a Query) -> Answer<'a, View>;
    /// Marks a copy as not whole, so that its writer makes it anew.
    fn spoil<'a>(&'a self, board: &'a str) -> Answer<'a, ()>;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_are_ordered_as_boards_are(
            a in any::<(i64, i64, u128)>(), b in any::<(i64, i64, u128)>(), near in 0i64..3, same in any::<bool>(),
        ) {
            let row = |(score, reached, member)| Row { score, reached, member: Uuid::from_u128(member) };
            let (one, mut two) = (row(a), row(b));
            if same {
                two.score = one.score.saturating_add(near);
                two.reached = if near == 1 { one.reached } else { two.reached };
            }
            prop_assert_eq!(Row::of(&one.key()), Some(one));
            let plain = |r: &Row| (std::cmp::Reverse(r.score), r.reached, r.member);
            prop_assert_eq!(one.key().cmp(&two.key()), plain(&one).cmp(&plain(&two)));
        }
    }
}
