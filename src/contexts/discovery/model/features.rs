//! What speaks for a result beside where it stands in the lists. Each part is from 0 to 1.

use chrono::{DateTime, Utc};

use super::weights::Parts;

/// The parts of one result's score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Features {
    /// From [`super::fusion::fuse`].
    pub fused: f64,
    /// The share of the skills that are asked for.
    pub skills: f64,
    /// See [`recency`].
    pub recency: f64,
    /// See [`budget_fit`].
    pub budget: f64,
    /// See [`reputation`].
    pub reputation: f64,
    /// Whether there is time for it.
    pub availability: f64,
    /// See [`popularity`].
    pub popularity: f64,
}

impl Features {
    /// The weighted mean, from 0 to 1: weights need not add up to anything.
    pub fn score(&self, weights: &Parts) -> f64 {
        let pairs = [
            (self.fused, weights.fused),
            (self.skills, weights.skills),
            (self.recency, weights.recency),
            (self.budget, weights.budget),
            (self.reputation, weights.reputation),
            (self.availability, weights.availability),
            (self.popularity, weights.popularity),
        ];
        let all: f64 = pairs.iter().map(|(_, weight)| weight).sum();
        if all <= 0.0 {
            return 0.0;
        }
        pairs.iter().map(|(part, weight)| part.clamp(0.0, 1.0) * weight).sum::<f64>() / all
    }
}

/// 1 for what is new, half after each half-life; 0 where it has no date.
pub fn recency(at: Option<DateTime<Utc>>, now: DateTime<Utc>, half_life_days: f64) -> f64 {
    let Some(at) = at else { return 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "seconds of a few years")]
    let days = (now - at).num_seconds().max(0) as f64 / 86_400.0;
    if half_life_days <= 0.0 { 0.0 } else { 0.5_f64.powf(days / half_life_days) }
}

/// How well what is paid meets what is wanted, both in minor units of one currency: 1 if it is paid, the
/// share of it otherwise; one half where nobody said.
pub fn budget_fit(pays: Option<i64>, wants: Option<i64>) -> f64 {
    match (pays, wants) {
        (Some(pays), Some(wants)) if wants > 0 => {
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = pays.max(0) as f64 / wants as f64;
            share.min(1.0)
        }
        (Some(_), Some(_)) => 1.0,
        _ => 0.5,
    }
}

/// A mean rating of 1 to 5, in thousandths, as 0 to 1; what nobody rated stands in the middle.
pub fn reputation(rating_milli: Option<i64>) -> f64 {
    match rating_milli {
        #[expect(clippy::cast_precision_loss, reason = "at most 5,000")]
        Some(milli) => ((milli as f64 / 1_000.0 - 1.0) / 4.0).clamp(0.0, 1.0),
        None => 0.5,
    }
}

/// People at which popularity stops growing.
const POPULAR: f64 = 500.0;

/// How many people looked at it, on a logarithmic scale: the tenth counts for much more than the hundredth, so
/// that what is shown often does not stay above for being shown often.
pub fn popularity(people: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "people")]
    let people = people.max(0) as f64;
    (people.ln_1p() / POPULAR.ln_1p()).min(1.0)
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use proptest::prelude::*;

    use super::*;
    use crate::contexts::discovery::model::weights::Weights;

    #[test]
    fn parts_are_what_they_say() {
        let now = Utc::now();
        assert!((recency(Some(now), now, 14.0) - 1.0).abs() < 1e-9);
        assert!((recency(Some(now - Duration::days(14)), now, 14.0) - 0.5).abs() < 1e-9);
        assert!(recency(None, now, 14.0).abs() < 1e-9);
        assert!((budget_fit(Some(50), Some(100)) - 0.5).abs() < 1e-9);
        assert!((budget_fit(Some(200), Some(100)) - 1.0).abs() < 1e-9);
        assert!((budget_fit(None, Some(1)) - 0.5).abs() < 1e-9);
        assert!((reputation(Some(5_000)) - 1.0).abs() < 1e-9 && reputation(Some(1_000)).abs() < 1e-9);
        assert!(popularity(10) - popularity(0) > popularity(110) - popularity(100));
    }

    proptest! {
        #[test]
        fn a_score_is_from_0_to_1_and_grows_with_each_part(
            parts in proptest::array::uniform7(0.0f64..=1.0), more in 0usize..7, by in 0.0f64..1.0,
        ) {
            let of = |p: [f64; 7]| Features {
                fused: p[0], skills: p[1], recency: p[2], budget: p[3], reputation: p[4], availability: p[5], popularity: p[6],
            };
            let weights = Weights::compiled().unwrap();
            for kind in [&weights.search, &weights.gigs, &weights.students, &weights.courses, &weights.mentors] {
                let score = of(parts).score(kind);
                prop_assert!((0.0..=1.0 + 1e-9).contains(&score));
                let mut better = parts;
                better[more] = (better[more] + by).min(1.0);
                prop_assert!(of(better).score(kind) >= score - 1e-12);
            }
        }
    }
}
