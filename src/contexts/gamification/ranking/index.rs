//! From a person to a member's number: open addressing with linear probing, four bytes a slot.

/// No member.
const EMPTY: u32 = u32::MAX;

/// See the module.
pub(super) struct Index {
    slots: Vec<u32>,
    len: usize,
}

/// Ids carry their randomness in the low bits (UUIDv7), the multiplication spreads it.
fn hash(user: u128) -> u64 {
    let folded = (user as u64) ^ ((user >> 64) as u64).rotate_left(29);
    folded.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl Index {
    pub fn with_room_for(members: usize) -> Self {
        // At most three quarters full.
        let slots = (members * 4 / 3 + 1).next_power_of_two().max(16);
        Self { slots: vec![EMPTY; slots], len: 0 }
    }

    pub fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }

    pub fn find(&self, user: u128, user_of: impl Fn(u32) -> u128) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(user) as usize & mask;
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                id if user_of(id) == user => return Some(id),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Adds a person who is not in it.
    pub fn insert(&mut self, user: u128, id: u32, user_of: impl Fn(u32) -> u128) {
        if (self.len + 1) * 4 > self.slots.len() * 3 {
            let mut larger = Self::with_room_for(self.slots.len());
            for old in self.slots.iter().copied().filter(|id| *id != EMPTY) {
                larger.put(user_of(old), old);
            }
            *self = larger;
        }
        self.put(user, id);
    }

    fn put(&mut self, user: u128, id: u32) {
        let mask = self.slots.len() - 1;
        let mut slot = hash(user) as usize & mask;
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = id;
        self.len += 1;
    }

    /// Takes a person out, and moves those up who had to give way (Knuth, vol. 3, 6.4, algorithm R).
    pub fn remove(&mut self, user: u128, user_of: impl Fn(u32) -> u128) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut hole = hash(user) as usize & mask;
        let found = loop {
            match self.slots[hole] {
                EMPTY => return None,
                id if user_of(id) == user => break id,
                _ => hole = (hole + 1) & mask,
            }
        };
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            let id = self.slots[next];
            if id == EMPTY {
                break;
            }
            let home = hash(user_of(id)) as usize & mask;
            // Whether the entry may stand in the hole: its home is not between the hole and itself.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                self.slots[hole] = id;
                hole = next;
            }
        }
        self.slots[hole] = EMPTY;
        self.len -= 1;
        Some(found)
    }
}
