//! Who stands where: an order-statistic structure for one board and window.
//!
//! The order is total: the higher score, then who reached it first, then the smaller id. Place, top and
//! neighbourhood take O(log n + answer); an update is a removal and an insertion. A member costs
//! 32 bytes, the entry in the tree 24 when loaded and some 35 after random updates (leaves are put together
//! when they fall below three eighths and their neighbour has room, so 55 at the very worst), and the slot in
//! the index 5 to 11; [`Ranking::bytes`] tells exactly.

mod index;
mod tree;

use crate::principal::UserId;
use index::Index;
use tree::{Key, Tree};

/// Somebody's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Who.
    pub user: UserId,
    /// Points.
    pub score: i64,
    /// When the score was reached, in microseconds since 1970.
    pub reached: i64,
}

/// A standing and its place, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The place, from 1. No two are the same.
    pub rank: usize,
    /// Who stands there.
    pub standing: Standing,
}

#[derive(Clone, Copy)]
struct Member {
    score: i64,
    reached: i64,
    user: [u64; 2],
}

impl Member {
    fn user(&self) -> u128 {
        (u128::from(self.user[0]) << 64) | u128::from(self.user[1])
    }

    fn key(&self) -> Key {
        Key { inverse: !self.score, reached: self.reached, user: self.user() }
    }

    fn standing(&self) -> Standing {
        let user = UserId(uuid::Uuid::from_u128(self.user()));
        Standing { user, score: self.score, reached: self.reached }
    }
}

impl From<Standing> for Member {
    fn from(standing: Standing) -> Self {
        let user = standing.user.0.as_u128();
        Self { score: standing.score, reached: standing.reached, user: [(user >> 64) as u64, user as u64] }
    }
}

/// Adds to a vector that grows by an eighth: doubling would leave half of a large one empty.
fn push<T>(to: &mut Vec<T>, new: T) -> u32 {
    if to.len() == to.capacity() {
        to.reserve_exact(to.len() / 8 + 8);
    }
    to.push(new);
    to.len() as u32 - 1
}

/// The structure. Holds at most `u32::MAX - 1` members.
pub struct Ranking {
    members: Vec<Member>,
    free: Vec<u32>,
    index: Index,
    tree: Tree,
}

impl Default for Ranking {
    fn default() -> Self {
        Self::new()
    }
}

impl Ranking {
    /// Nobody.
    pub fn new() -> Self {
        Self { members: Vec::new(), free: Vec::new(), index: Index::with_room_for(0), tree: Tree::new() }
    }

    /// Everybody at once, in any order, each person once: sorted and laid out in O(n log n).
    pub fn load(standings: impl IntoIterator<Item = Standing>) -> Self {
        let mut members: Vec<Member> = standings.into_iter().map(Member::from).collect();
        members.shrink_to_fit();
        let mut index = Index::with_room_for(members.len());
        for (id, member) in members.iter().enumerate() {
            index.insert(member.user(), id as u32, |id| members[id as usize].user());
        }
        let mut order: Vec<u32> = (0..members.len() as u32).collect();
        order.sort_unstable_by_key(|id| members[*id as usize].key());
        let tree = Tree::load(&order, |id| members[id as usize].key());
        Self { members, free: Vec::new(), index, tree }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the heap that all of it holds.
    pub fn bytes(&self) -> usize {
        self.members.capacity() * size_of::<Member>()
            + self.free.capacity() * size_of::<u32>()
            + self.index.bytes()
            + self.tree.bytes()
    }

    /// Sets somebody's standing; what it was before.
    pub fn put(&mut self, standing: Standing) -> Option<Standing> {
        let member = Member::from(standing);
        let Self { members, free, index, tree } = self;
        let Some(id) = index.find(member.user(), |id| members[id as usize].user()) else {
            let id = match free.pop() {
                Some(id) => {
                    members[id as usize] = member;
                    id
                }
                None => push(members, member),
            };
            index.insert(member.user(), id, |id| members[id as usize].user());
            tree.insert(&member.key(), id, &|id| members[id as usize].key());
            return None;
        };
        let before = members[id as usize];
        if before.key() != member.key() {
            tree.remove(&before.key(), &|id| members[id as usize].key());
            members[id as usize] = member;
            tree.insert(&member.key(), id, &|id| members[id as usize].key());
        }
        Some(before.standing())
    }

    /// Takes somebody off; what they had.
    pub fn remove(&mut self, user: UserId) -> Option<Standing> {
        let Self { members, free, index, tree } = self;
        let id = index.remove(user.0.as_u128(), |id| members[id as usize].user())?;
        let before = members[id as usize];
        tree.remove(&before.key(), &|id| members[id as usize].key());
        free.push(id);
        Some(before.standing())
    }

    fn member(&self, user: UserId) -> Option<&Member> {
        let id = self.index.find(user.0.as_u128(), |id| self.members[id as usize].user())?;
        Some(&self.members[id as usize])
    }

    /// Somebody's standing.
    pub fn standing(&self, user: UserId) -> Option<Standing> {
        self.member(user).map(Member::standing)
    }

    /// Somebody's standing and place.
    pub fn place(&self, user: UserId) -> Option<Placed> {
        let member = self.member(user)?;
        let before = self.tree.rank(&member.key(), &|id| self.members[id as usize].key());
        Some(Placed { rank: before + 1, standing: member.standing() })
    }

    /// Up to `take` places after the first `skip`.
    pub fn slice(&self, skip: usize, take: usize) -> Vec<Placed> {
        let mut found = Vec::with_capacity(take.min(self.len()));
        self.tree.visit(skip, take, &mut |id| {
            let standing = self.members[id as usize].standing();
            found.push(Placed { rank: skip + found.len() + 1, standing });
        });
        found
    }

    /// Everybody, best first.
    pub fn iter(&self) -> impl Iterator<Item = Standing> {
        const PART: usize = 1_024;
        let parts = 0..self.len().div_ceil(PART);
        parts.flat_map(|n| self.slice(n * PART, PART).into_iter().map(|placed| placed.standing))
    }

    /// Somebody's place with up to `span` places on either side: one contiguous part of the board.
    pub fn around(&self, user: UserId, span: usize) -> Vec<Placed> {
        let Some(place) = self.place(user) else { return Vec::new() };
        let first = place.rank.saturating_sub(1 + span);
        self.slice(first, place.rank - first + span)
    }
}

#[cfg(test)]
mod tests;
