//! Copies of leaderboards that several nodes share. The truth is the ledger of points; what answers
//! readers is the board's actor, in memory. The copy is for nodes that have no such actor yet, and for
//! a start without a rebuild.
//!
//! | adapter | when | how |
//! | --- | --- | --- |
//! | [`MemoryBoards`] | no `REDIS_URL` | sorted arrays in this process |
//! | [`RedisBoards`] | `REDIS_URL` | a sorted set in which every score is 0 |
//!
//! The order is total: the higher score, then who reached it first, then the smaller id. A sorted set's
//! scores are floating-point numbers, exact to 2^53 only, and have no second criterion. But members of
//! *equal* score are ordered by their bytes, so the whole order is put into the member: 32 bytes,
//! `Row::key`. All scores of 64 bits are exact, and no two rows are ever equal.

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

/// The copy cannot be reached: the board's own memory answers, and the copy is made anew later.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the board's copy cannot be reached: {0}")]
pub struct BoardsAway(pub String);

/// What a call answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, BoardsAway>>;

/// Where copies are kept. Of one board, one writer at a time: its actor.
pub trait Boards: Send + Sync {
    /// Puts rows where they belong, whoever of them was there before.
    fn upsert<'a>(&'a self, board: &'a str, rows: &'a [Row]) -> Answer<'a, ()>;
    /// Takes somebody off the board; whether they were on it.
    fn remove<'a>(&'a self, board: &'a str, member: Uuid) -> Answer<'a, bool>;
    /// Where somebody stands.
    fn rank<'a>(&'a self, board: &'a str, member: Uuid) -> Answer<'a, Option<Ranked>>;
    /// Up to `limit` rows from place `from` (1 is the first).
    fn range<'a>(&'a self, board: &'a str, from: u64, limit: u64) -> Answer<'a, Vec<Ranked>>;
    /// Somebody, and up to `span` rows on each side; nothing if they are not on the board.
    fn around<'a>(&'a self, board: &'a str, member: Uuid, span: u64) -> Answer<'a, Vec<Ranked>>;
    /// How many are on it.
    fn len<'a>(&'a self, board: &'a str) -> Answer<'a, u64>;
    /// Replaces the whole board at one moment: readers see the one before or the one after. `rows` has
    /// each member once.
    fn rebuild<'a>(&'a self, board: &'a str, rows: &'a [Row]) -> Answer<'a, ()>;
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
