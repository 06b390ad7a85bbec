//! A counted B+-tree over member numbers: the place of a key, and the key at a place, in O(log n).
//!
//! A leaf keeps scores and times beside member numbers, so that a search reads contiguous memory; only
//! where both are equal does it look at the members themselves. An inner node keeps a lower bound and the size
//! of each child. Nodes lie in two vectors and are named by index: no pointers, no allocation for each.

/// Entries of a leaf at most.
const LEAF: usize = 64;
/// Children of an inner node at most.
const INNER: usize = 32;
/// A bulk load leaves room, so that the first updates do not split every leaf.
const LOADED: usize = 56;
/// Below so many entries a leaf is put together with a neighbour if they fit well into one.
const LEAF_LOW: usize = LEAF * 3 / 8;
const INNER_LOW: usize = INNER / 4;

/// The total order of a board: higher scores first, then who got there first, then the smaller id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The score, negated by `!` (exact for every `i64`, unlike `-`).
    pub inverse: i64,
    /// When the score was reached, in microseconds since 1970.
    pub reached: i64,
    /// The person.
    pub user: u128,
}

struct Leaf {
    len: u16,
    inverse: [i64; LEAF],
    reached: [i64; LEAF],
    ids: [u32; LEAF],
}

struct Inner {
    len: u16,
    /// At most the smallest key of the child, and greater than every key of the child before.
    low: [Key; INNER],
    child: [u32; INNER],
    count: [u32; INNER],
}

const NO_KEY: Key = Key { inverse: 0, reached: 0, user: 0 };

impl Leaf {
    const fn empty() -> Self {
        Self { len: 0, inverse: [0; LEAF], reached: [0; LEAF], ids: [0; LEAF] }
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn insert(&mut self, at: usize, key: &Key, id: u32) {
        let len = self.len();
        self.inverse.copy_within(at..len, at + 1);
        self.reached.copy_within(at..len, at + 1);
        self.ids.copy_within(at..len, at + 1);
        self.inverse[at] = key.inverse;
        self.reached[at] = key.reached;
        self.ids[at] = id;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        let len = self.len();
        self.inverse.copy_within(at + 1..len, at);
        self.reached.copy_within(at + 1..len, at);
        self.ids.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    /// Moves the entries from `from` on to the end of another leaf, which has room.
    fn move_to(&mut self, from: usize, other: &mut Self) {
        let (len, end) = (self.len(), other.len());
        let more = len - from;
        other.inverse[end..end + more].copy_from_slice(&self.inverse[from..len]);
        other.reached[end..end + more].copy_from_slice(&self.reached[from..len]);
        other.ids[end..end + more].copy_from_slice(&self.ids[from..len]);
        other.len += more as u16;
        self.len = from as u16;
    }
}

impl Inner {
    const fn empty() -> Self {
        Self { len: 0, low: [NO_KEY; INNER], child: [0; INNER], count: [0; INNER] }
    }

    fn len(&self) -> usize {
        usize::from(self.len)
    }

    fn insert(&mut self, at: usize, low: Key, child: u32, count: u32) {
        let len = self.len();
        self.low.copy_within(at..len, at + 1);
        self.child.copy_within(at..len, at + 1);
        self.count.copy_within(at..len, at + 1);
        self.low[at] = low;
        self.child[at] = child;
        self.count[at] = count;
        self.len += 1;
    }

    fn remove(&mut self, at: usize) {
        let len = self.len();
        self.low.copy_within(at + 1..len, at);
        self.child.copy_within(at + 1..len, at);
        self.count.copy_within(at + 1..len, at);
        self.len -= 1;
    }

    fn total(&self) -> u32 {
        self.count[..self.len()].iter().sum()
    }

    /// The child that a key belongs to.
    fn place(&self, key: &Key) -> usize {
        self.low[..self.len()].partition_point(|low| low <= key).saturating_sub(1)
    }
}

/// The tree. It holds member numbers; `key_of` tells a member's key whenever it is needed.
pub(super) struct Tree {
    leaves: Vec<Leaf>,
    inners: Vec<Inner>,
    free_leaves: Vec<u32>,
    free_inners: Vec<u32>,
    root: u32,
    /// Levels of inner nodes above the leaves.
    height: u8,
    len: u32,
}

/// A node that was split off, and its smallest key.
struct Split {
    low: Key,
    node: u32,
}

impl Tree {
    pub fn new() -> Self {
        Self {
            leaves: vec![Leaf::empty()],
            inners: Vec::new(),
            free_leaves: Vec::new(),
            free_inners: Vec::new(),
            root: 0,
            height: 0,
            len: 0,
        }
    }

    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Bytes of the heap that it holds.
    pub fn bytes(&self) -> usize {
        self.leaves.capacity() * size_of::<Leaf>()
            + self.inners.capacity() * size_of::<Inner>()
            + (self.free_leaves.capacity() + self.free_inners.capacity()) * size_of::<u32>()
    }

    /// Builds the tree of members that are in order already; levels from the leaves up.
    pub fn load(sorted: &[u32], key_of: impl Fn(u32) -> Key) -> Self {
        let mut tree = Self::new();
        if sorted.is_empty() {
            return tree;
        }
        tree.leaves = Vec::with_capacity(sorted.len().div_ceil(LOADED));
        let mut level: Vec<(Key, u32, u32)> = Vec::with_capacity(sorted.len().div_ceil(LOADED));
        for part in sorted.chunks(LOADED) {
            let mut leaf = Leaf::empty();
            for &id in part {
                let at = leaf.len();
                leaf.insert(at, &key_of(id), id);
            }
            level.push((key_of(part[0]), tree.leaves.len() as u32, u32::from(leaf.len)));
            tree.leaves.push(leaf);
        }
        while level.len() > 1 {
            tree.height += 1;
            let mut above = Vec::with_capacity(level.len().div_ceil(INNER - 4));
            for part in level.chunks(INNER - 4) {
                let mut inner = Inner::empty();
                for &(low, child, count) in part {
                    let at = inner.len();
                    inner.insert(at, low, child, count);
                }
                above.push((part[0].0, tree.inners.len() as u32, inner.total()));
                tree.inners.push(inner);
            }
            level = above;
        }
        tree.root = level[0].1;
        tree.len = level[0].2;
        tree
    }

    /// Adds a member that is not in it.
    pub fn insert(&mut self, key: &Key, id: u32, key_of: &impl Fn(u32) -> Key) {
        self.len += 1;
        let (root, height) = (self.root, self.height);
        if let Some(split) = self.insert_at(root, height, key, id, key_of) {
            let mut top = Inner::empty();
            let low = self.low_of(root, height, key_of);
            top.insert(0, low, root, self.size_of_node(root, height));
            top.insert(1, split.low, split.node, self.size_of_node(split.node, height));
            self.root = self.new_inner(top);
            self.height += 1;
        }
    }

    /// Takes a member out; whether it was there.
    pub fn remove(&mut self, key: &Key, key_of: &impl Fn(u32) -> Key) -> bool {
        if !self.remove_at(self.root, self.height, key, key_of) {
            return false;
        }
        self.len -= 1;
        // A root with one child adds nothing.
        while self.height > 0 && self.inners[self.root as usize].len == 1 {
            let old = self.root;
            self.root = self.inners[old as usize].child[0];
            self.height -= 1;
            self.free_inners.push(old);
        }
        true
    }

    /// How many members come before `key`.
    pub fn rank(&self, key: &Key, key_of: &impl Fn(u32) -> Key) -> usize {
        let (mut node, mut before) = (self.root, 0usize);
        for _ in 0..self.height {
            let inner = &self.inners[node as usize];
            let at = inner.place(key);
            before += inner.count[..at].iter().map(|count| *count as usize).sum::<usize>();
            node = inner.child[at];
        }
        before + self.leaf_place(node, key, key_of)
    }

    /// Calls `each` with up to `take` members from place `skip` on, in order.
    pub fn visit(&self, skip: usize, take: usize, each: &mut impl FnMut(u32)) {
        let mut left = take;
        self.visit_at(self.root, self.height, skip, &mut left, each);
    }

    fn visit_at(&self, node: u32, height: u8, mut skip: usize, left: &mut usize, each: &mut impl FnMut(u32)) {
        if height == 0 {
            let leaf = &self.leaves[node as usize];
            for &id in leaf.ids[..leaf.len()].iter().skip(skip) {
                if *left == 0 {
                    return;
                }
                *left -= 1;
                each(id);
            }
            return;
        }
        let inner = &self.inners[node as usize];
        for at in 0..inner.len() {
            if *left == 0 {
                return;
            }
            let count = inner.count[at] as usize;
            if skip >= count {
                skip -= count;
                continue;
            }
            self.visit_at(inner.child[at], height - 1, skip, left, each);
            skip = 0;
        }
    }

    /// The place of the first entry of a leaf that is not before `key`.
    fn leaf_place(&self, leaf: u32, key: &Key, key_of: &impl Fn(u32) -> Key) -> usize {
        let leaf = &self.leaves[leaf as usize];
        let scores = &leaf.inverse[..leaf.len()];
        let from = scores.partition_point(|inverse| *inverse < key.inverse);
        let same = from + scores[from..].partition_point(|inverse| *inverse == key.inverse);
        let times = &leaf.reached[from..same];
        let first = from + times.partition_point(|reached| *reached < key.reached);
        let last = from + times.partition_point(|reached| *reached <= key.reached);
        // Only of the same score at the same microsecond the ids decide.
        first + leaf.ids[first..last].partition_point(|id| key_of(*id) < *key)
    }

    fn insert_at(
        &mut self,
        node: u32,
        height: u8,
        key: &Key,
        id: u32,
        key_of: &impl Fn(u32) -> Key,
    ) -> Option<Split> {
        if height == 0 {
            return self.insert_leaf(node, key, id, key_of);
        }
        let (at, child) = {
            let inner = &mut self.inners[node as usize];
            let at = inner.place(key);
            inner.low[at] = inner.low[at].min(*key);
            inner.count[at] += 1;
            (at, inner.child[at])
        };
        let split = self.insert_at(child, height - 1, key, id, key_of)?;
        let moved = self.size_of_node(split.node, height - 1);
        let inner = &mut self.inners[node as usize];
        inner.count[at] -= moved;
        if inner.len() < INNER {
            inner.insert(at + 1, split.low, split.node, moved);
            return None;
        }
        let mut right = Inner::empty();
        for from in INNER / 2..INNER {
            let to = right.len();
            right.insert(to, inner.low[from], inner.child[from], inner.count[from]);
        }
        inner.len = (INNER / 2) as u16;
        if at < INNER / 2 {
            inner.insert(at + 1, split.low, split.node, moved);
        } else {
            right.insert(at + 1 - INNER / 2, split.low, split.node, moved);
        }
        let low = right.low[0];
        Some(Split { low, node: self.new_inner(right) })
    }

    fn insert_leaf(&mut self, node: u32, key: &Key, id: u32, key_of: &impl Fn(u32) -> Key) -> Option<Split> {
        let at = self.leaf_place(node, key, key_of);
        let leaf = &mut self.leaves[node as usize];
        if leaf.len() < LEAF {
            leaf.insert(at, key, id);
            return None;
        }
        let mut right = Leaf::empty();
        leaf.move_to(LEAF / 2, &mut right);
        if at <= LEAF / 2 {
            leaf.insert(at, key, id);
        } else {
            right.insert(at - LEAF / 2, key, id);
        }
        let low = key_of(right.ids[0]);
        let node = match self.free_leaves.pop() {
            Some(node) => {
                self.leaves[node as usize] = right;
                node
            }
            None => super::push(&mut self.leaves, right),
        };
        Some(Split { low, node })
    }

    fn remove_at(&mut self, node: u32, height: u8, key: &Key, key_of: &impl Fn(u32) -> Key) -> bool {
        if height == 0 {
            let at = self.leaf_place(node, key, key_of);
            let leaf = &mut self.leaves[node as usize];
            if at == leaf.len() || key_of(leaf.ids[at]) != *key {
                return false;
            }
            leaf.remove(at);
            return true;
        }
        let inner = &self.inners[node as usize];
        let at = inner.place(key);
        let child = inner.child[at];
        if !self.remove_at(child, height - 1, key, key_of) {
            return false;
        }
        self.inners[node as usize].count[at] -= 1;
        self.tidy(node, height, at);
        true
    }

    /// Puts a child that became small together with a neighbour.
    fn tidy(&mut self, node: u32, height: u8, at: usize) {
        let inner = &self.inners[node as usize];
        let leaves = height == 1;
        let filled = |at: usize| match leaves {
            true => self.leaves[inner.child[at] as usize].len(),
            false => self.inners[inner.child[at] as usize].len(),
        };
        let (low, room) = if leaves { (LEAF_LOW, LEAF * 3 / 4) } else { (INNER_LOW, INNER * 3 / 4) };
        if filled(at) >= low || inner.len() == 1 {
            return;
        }
        if filled(at) == 0 {
            let gone = inner.child[at];
            if leaves {
                self.free_leaves.push(gone)
            } else {
                self.free_inners.push(gone)
            }
            self.inners[node as usize].remove(at);
            return;
        }
        let (left, right) = if at > 0 && filled(at - 1) + filled(at) <= room {
            (at - 1, at)
        } else if at + 1 < inner.len() && filled(at) + filled(at + 1) <= room {
            (at, at + 1)
        } else {
            return;
        };
        let (into, from) = (inner.child[left], inner.child[right]);
        if leaves {
            let mut gone = std::mem::replace(&mut self.leaves[from as usize], Leaf::empty());
            gone.move_to(0, &mut self.leaves[into as usize]);
            self.free_leaves.push(from);
        } else {
            let gone = std::mem::replace(&mut self.inners[from as usize], Inner::empty());
            let target = &mut self.inners[into as usize];
            for n in 0..gone.len() {
                let to = target.len();
                target.insert(to, gone.low[n], gone.child[n], gone.count[n]);
            }
            self.free_inners.push(from);
        }
        let inner = &mut self.inners[node as usize];
        inner.count[left] += inner.count[right];
        inner.remove(right);
    }

    fn new_inner(&mut self, inner: Inner) -> u32 {
        match self.free_inners.pop() {
            Some(node) => {
                self.inners[node as usize] = inner;
                node
            }
            None => super::push(&mut self.inners, inner),
        }
    }

    fn size_of_node(&self, node: u32, height: u8) -> u32 {
        match height {
            0 => u32::from(self.leaves[node as usize].len),
            _ => self.inners[node as usize].total(),
        }
    }

    fn low_of(&self, node: u32, height: u8, key_of: &impl Fn(u32) -> Key) -> Key {
        match height {
            0 => key_of(self.leaves[node as usize].ids[0]),
            _ => self.inners[node as usize].low[0],
        }
    }
}
