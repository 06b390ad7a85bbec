//! Levels: a function of the total alone.

/// Points of the step from level 1 to 2; each further step takes as many more.
const STEP: i64 = 100;

/// What a level begins at: `50 · n · (n − 1)` points, so 0, 100, 300, 600, 1,000, 1,500, …
pub fn threshold(level: i32) -> i64 {
    let n = i64::from(level.max(1));
    STEP / 2 * n * (n - 1)
}

/// The level of a total: the largest `n` with `50 · n · (n − 1) ≤ total`, and at least 1.
pub fn level(total: i64) -> i32 {
    if total <= 0 {
        return 1;
    }
    // The root of 50 n² − 50 n − total, then made exact in whole numbers.
    let guess = (1.0 + (1.0 + total as f64 / 12.5).sqrt()) / 2.0;
    let mut n = (guess as i32).clamp(1, 400_000_000);
    while n > 1 && threshold(n) > total {
        n -= 1;
    }
    while n < 400_000_000 && threshold(n + 1) <= total {
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_levels_are_as_documented() {
        let found: Vec<_> = [-5, 0, 99, 100, 299, 300, 599, 600, 1_000, 1_499, 1_500].map(level).into();
        assert_eq!(found, [1, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6]);
    }

    proptest! {
        #[test]
        fn a_level_begins_at_its_threshold(total in 0..i64::MAX / 4) {
            let n = level(total);
            prop_assert!(threshold(n) <= total);
            prop_assert!(n == 400_000_000 || threshold(n + 1) > total);
        }
    }
}
