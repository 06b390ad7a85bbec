//! What a ranking is worth, and how sure one can be of it.

use std::collections::HashMap;

/// Grades of one query's documents; what is not there is 0.
pub type Grades = HashMap<usize, u8>;

/// From this grade on a document counts as relevant where only yes and no are asked.
pub const RELEVANT: u8 = 2;

/// Normalised discounted cumulative gain of the first `depth`: gains of 2^grade - 1, discounted by the binary
/// logarithm of rank + 1 (K. Järvelin, J. Kekäläinen, ACM TOIS 20(4), 2002; gains as C. Burges et al., ICML 2005).
pub fn ndcg(ranking: &[usize], grades: &Grades, depth: usize) -> f64 {
    let gain = |grade: u8| f64::from((1_u32 << grade) - 1);
    let sum = |of: &mut dyn Iterator<Item = u8>| -> f64 {
        of.take(depth).enumerate().map(|(at, grade)| gain(grade) / (at as f64 + 2.0).log2()).sum()
    };
    let mut best: Vec<u8> = grades.values().copied().collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = sum(&mut best.into_iter());
    let found = sum(&mut ranking.iter().map(|document| grades.get(document).copied().unwrap_or(0)));
    if ideal > 0.0 { found / ideal } else { 0.0 }
}

/// Which part of the relevant documents is among the first `depth`.
pub fn recall(ranking: &[usize], grades: &Grades, depth: usize) -> f64 {
    let relevant = grades.values().filter(|grade| **grade >= RELEVANT).count();
    let found = ranking.iter().take(depth).filter(|document| is_relevant(document, grades)).count();
    if relevant > 0 { found as f64 / relevant as f64 } else { 0.0 }
}

/// One over the rank of the first relevant document, 0 without one.
pub fn reciprocal_rank(ranking: &[usize], grades: &Grades) -> f64 {
    ranking
        .iter()
        .position(|document| is_relevant(document, grades))
        .map_or(0.0, |at| 1.0 / (at as f64 + 1.0))
}

fn is_relevant(document: &usize, grades: &Grades) -> bool {
    grades.get(document).is_some_and(|grade| *grade >= RELEVANT)
}

/// Samples that a bootstrap draws.
const SAMPLES: usize = 10_000;

/// A mean over queries with its 95 % interval.
#[derive(Clone, Copy, Debug)]
pub struct Interval {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
}

/// By drawing queries with replacement (the percentile bootstrap; B. Efron, R. Tibshirani, 1993, ch. 13). The draws
/// are the same in each run.
pub fn bootstrap(values: &[f64]) -> Interval {
    let mean = |sum: f64| sum / values.len().max(1) as f64;
    let mut state = 0x5EED_u64;
    let mut draw = || {
        // splitmix64
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % values.len().max(1) as u64) as usize
    };
    let mut means: Vec<f64> =
        (0..SAMPLES).map(|_| mean((0..values.len()).map(|_| values[draw()]).sum())).collect();
    means.sort_unstable_by(f64::total_cmp);
    Interval {
        mean: mean(values.iter().sum()),
        low: means[SAMPLES * 25 / 1000],
        high: means[SAMPLES * 975 / 1000 - 1],
    }
}
