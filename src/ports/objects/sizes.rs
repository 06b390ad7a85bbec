//! How an upload is cut. The bounds are S3's (Amazon S3 user guide, "multipart upload limits"); the
//! directory keeps to them too, so that one can become the other.

/// The largest object that one PUT, or one copy, may make: 5 GiB.
pub const SINGLE_PUT: u64 = 5 << 30;
/// The largest object: 5 TiB.
pub const LARGEST: u64 = 5 << 40;
/// The least size of every part but the last: 5 MiB.
const LEAST_PART: u64 = 5 << 20;
/// Parts at most.
pub const MAX_PARTS: u64 = 10_000;

/// How an upload goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// One PUT.
    Whole,
    /// Parts of so many bytes each; the last has the rest.
    Parts {
        /// In bytes.
        part_size: u64,
        /// How many.
        count: u32,
    },
}

impl Plan {
    /// The plan for `size` bytes, where parts of `preferred` bytes are wanted. `None` for what no store
    /// takes: nothing, or more than [`LARGEST`].
    pub fn new(size: u64, preferred: u64) -> Option<Self> {
        if size == 0 || size > LARGEST {
            return None;
        }
        let preferred = preferred.clamp(LEAST_PART, SINGLE_PUT);
        if size <= preferred {
            return Some(Self::Whole);
        }
        // As wanted, unless that makes too many: then the least that does, in whole MiB.
        let needed = size.div_ceil(MAX_PARTS).div_ceil(1 << 20) << 20;
        let part_size = preferred.max(needed);
        Some(Self::Parts { part_size, count: u32::try_from(size.div_ceil(part_size)).ok()? })
    }

    /// The size of part `number` (from 1) of `size` bytes, if there is one.
    pub fn part(self, number: u32, size: u64) -> Option<u64> {
        match self {
            Self::Parts { part_size, count } if (1..=count).contains(&number) => {
                let before = u64::from(number - 1) * part_size;
                Some(part_size.min(size - before))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_edges_are_the_stores() {
        assert_eq!(Plan::new(0, 1), None);
        assert_eq!(Plan::new(LARGEST + 1, 1), None);
        assert_eq!(Plan::new(LEAST_PART, 1), Some(Plan::Whole));
        assert_eq!(Plan::new(SINGLE_PUT, u64::MAX), Some(Plan::Whole));
        // One byte over what a PUT takes must come in parts, whatever is wanted.
        assert!(matches!(Plan::new(SINGLE_PUT + 1, u64::MAX), Some(Plan::Parts { count: 2, .. })));
        assert!(
            matches!(Plan::new(LARGEST, 1), Some(Plan::Parts { count, .. }) if u64::from(count) <= MAX_PARTS)
        );
    }

    proptest! {
        #[test]
        fn parts_make_the_whole_within_the_bounds(size in 1..=LARGEST, preferred in 0..=2 * SINGLE_PUT) {
            let plan = Plan::new(size, preferred).unwrap();
            match plan {
                Plan::Whole => prop_assert!(size <= SINGLE_PUT),
                Plan::Parts { count, part_size } => {
                    prop_assert!(u64::from(count) <= MAX_PARTS && count >= 2);
                    prop_assert!((LEAST_PART..=SINGLE_PUT).contains(&part_size));
                    let sum: u64 = (1..=count).map(|n| plan.part(n, size).unwrap()).sum();
                    prop_assert_eq!(sum, size);
                    prop_assert!((1..count).all(|n| plan.part(n, size).unwrap() == part_size));
                    prop_assert_eq!(plan.part(0, size), None);
                    prop_assert_eq!(plan.part(count + 1, size), None);
                }
            }
        }
    }
}
