//! Maximal marginal relevance: what is much like something above it steps back.
//!
//! Next is the one with the greatest λ·score − (1 − λ)·max similarity to those already chosen; J. Carbonell
//! and J. Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
//! summaries", SIGIR 1998.

/// The order of `scores` (the best first by itself) after minding how alike they are: indices, at most
/// `limit`. `alike` is from 0 to 1.
pub fn diverse(scores: &[f64], alike: impl Fn(usize, usize) -> f64, lambda: f64, limit: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..scores.len()).collect();
    let mut nearest = vec![0.0_f64; scores.len()];
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < limit && !left.is_empty() {
        let worth = |i: usize| lambda * scores[i] - (1.0 - lambda) * nearest[i];
        let mut best = 0;
        for (place, i) in left.iter().enumerate() {
            // Strictly: of equals, the one that stood above stays above.
            if worth(*i) > worth(left[best]) {
                best = place;
            }
        }
        let next = left.remove(best);
        for i in &left {
            nearest[*i] = nearest[*i].max(alike(*i, next).clamp(0.0, 1.0));
        }
        chosen.push(next);
    }
    chosen
}

/// The cosine of two vectors of unit length, as 0 to 1: opposites are as different as strangers.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot: f32 = a.iter().zip(b).map(|(x, y)| x * y).sum();
    f64::from(dot).clamp(0.0, 1.0)
}

/// How many two sets share of what they have together.
pub fn jaccard(a: &[String], b: &[String]) -> f64 {
    let both = a.iter().filter(|one| b.contains(one)).count();
    let all = a.len() + b.len() - both;
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let share = if all == 0 { 0.0 } else { both as f64 / all as f64 };
    share
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_twin_steps_back_and_strangers_stay() {
        let alike = |a: usize, b: usize| if a.max(b) < 2 { 1.0 } else { 0.0 };
        assert_eq!(diverse(&[1.0, 0.99, 0.6], alike, 0.7, 3), [0, 2, 1]);
        assert_eq!(diverse(&[1.0, 0.99, 0.6], alike, 1.0, 3), [0, 1, 2]);
        assert_eq!(diverse(&[1.0, 0.9], |_, _| 0.0, 0.5, 1), [0]);
        let skills = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!((jaccard(&skills(&["a", "b"]), &skills(&["b", "c"])) - 1.0 / 3.0).abs() < 1e-9);
        assert!(jaccard(&[], &[]).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn everybody_comes_once_and_the_best_comes_first(
            mut scores in proptest::collection::vec(0.0f64..1.0, 0..20), lambda in 0.01f64..=1.0, seed in 0u64..1000,
        ) {
            scores.sort_by(|a, b| b.total_cmp(a));
            #[allow(clippy::cast_precision_loss)]
            let alike = |a: usize, b: usize| {
                let (a, b) = (a.min(b) as u64, a.max(b) as u64);
                ((a * 31 + b * 17 + seed) % 100) as f64 / 100.0
            };
            let order = diverse(&scores, alike, lambda, usize::MAX);
            prop_assert_eq!(order.first().copied(), (!scores.is_empty()).then_some(0));
            let mut all = order.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..scores.len()).collect::<Vec<_>>());
            prop_assert_eq!(&diverse(&scores, alike, lambda, 3)[..], &order[..order.len().min(3)]);
        }
    }
}
