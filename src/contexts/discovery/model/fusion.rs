//! Reciprocal rank fusion: several lists become one.
//!
//! score(d) = Σ over lists of w / (k + rank(d)), with ranks from 1; G. V. Cormack, C. L. A. Clarke and
//! S. Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning methods",
//! SIGIR 2009, with their k of 60. It needs no scores, so that lists whose scores mean different things may
//! be put together.

use std::{collections::HashMap, hash::Hash};

/// The k of the paper.
pub const K: f64 = 60.0;

/// One list, the best first, and how much it counts.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a, I> {
    /// The ids in their order; one that comes again counts where it came first.
    pub ids: &'a [I],
    /// Its weight; 1 as in the paper.
    pub weight: f64,
}

/// Puts lists together, the best first, each id with a score from 0 to 1: 1 is the first of every list.
/// Equal scores come in the order of ids, so that the same lists always give the same answer.
pub fn fuse<I: Copy + Eq + Hash + Ord>(lists: &[Ranked<'_, I>], k: f64) -> Vec<(I, f64)> {
    let mut scores: HashMap<I, f64> = HashMap::new();
    let mut best = 0.0;
    for list in lists {
        if list.ids.is_empty() || list.weight <= 0.0 {
            continue;
        }
        best += list.weight / (k + 1.0);
        let mut seen = std::collections::HashSet::new();
        let mut rank = 0.0;
        for id in list.ids {
            if seen.insert(*id) {
                rank += 1.0;
                *scores.entry(*id).or_default() += list.weight / (k + rank);
            }
        }
    }
    let mut all: Vec<(I, f64)> =
        scores.into_iter().map(|(id, score)| (id, if best > 0.0 { score / best } else { 0.0 })).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(ids: &[u32]) -> Ranked<'_, u32> {
        Ranked { ids, weight: 1.0 }
    }

    #[test]
    fn the_papers_formula() {
        let fused = fuse(&[list(&[1, 2, 3]), list(&[3, 1])], K);
        let of = |id| fused.iter().find(|(one, _)| *one == id).unwrap().1;
        let best = 2.0 / 61.0;
        assert!((of(1) - (1.0 / 61.0 + 1.0 / 62.0) / best).abs() < 1e-12);
        assert!((of(3) - (1.0 / 63.0 + 1.0 / 61.0) / best).abs() < 1e-12);
        assert!((of(2) - (1.0 / 62.0) / best).abs() < 1e-12);
        assert_eq!(fused.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1, 3, 2]);
        assert!(fuse::<u32>(&[], K).is_empty());
    }

    proptest! {
        #[test]
        fn fused_lists_keep_everything_once_and_agree_where_lists_agree(
            a in proptest::collection::vec(0u32..40, 0..30),
            b in proptest::collection::vec(0u32..40, 0..30),
            k in 1.0f64..100.0,
        ) {
            let fused = fuse(&[list(&a), list(&b)], k);
            let mut ids: Vec<u32> = fused.iter().map(|(id, _)| *id).collect();
            prop_assert!(fused.windows(2).all(|two| two[0].1 >= two[1].1));
            prop_assert!(fused.iter().all(|(_, score)| (0.0..=1.0 + 1e-9).contains(score)));
            // The order of the lists makes no difference.
            let other: Vec<u32> = fuse(&[list(&b), list(&a)], k).into_iter().map(|(id, _)| id).collect();
            prop_assert_eq!(&other, &ids);
            // What is before another in both lists is before it in the fused one.
            let rank = |l: &[u32], id: u32| l.iter().position(|x| *x == id);
            for x in &ids {
                for y in &ids {
                    if let (Some(ax), Some(ay), Some(bx), Some(by)) =
                        (rank(&a, *x), rank(&a, *y), rank(&b, *x), rank(&b, *y))
                        && ax < ay && bx < by
                    {
                        prop_assert!(rank(&ids, *x) < rank(&ids, *y));
                    }
                }
            }
            ids.sort_unstable();
            let mut all: Vec<u32> = a.iter().chain(&b).copied().collect();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(ids, all);
        }
    }
}
