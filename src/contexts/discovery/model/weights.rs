//! The weights, as versioned configuration.

use serde::Deserialize;

use super::fusion::Ranked;

/// What the binary brings.
const COMPILED: &str = include_str!("../weights.toml");

/// Everything that results are ordered by.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Told with every answer.
    pub version: u32,
    /// How lists become one.
    pub fusion: FusionWeights,
    /// How what is new grows old.
    pub decay: Decay,
    /// How different results are to be.
    pub diversity: Diversity,
    /// Of searches.
    pub search: Parts,
    /// Of gigs for a student.
    pub gigs: Parts,
    /// Of students for a gig.
    pub students: Parts,
    /// Of courses for a gap.
    pub courses: Parts,
    /// Of mentors for a goal.
    pub mentors: Parts,
    /// Who is told at once.
    pub push: Push,
}

/// How lists become one.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct FusionWeights {
    pub k: f64,
    pub text: f64,
    pub whole: f64,
    pub vectors: f64,
    pub vectors_of_names: f64,
    pub skills: f64,
    pub newest: f64,
}

/// Where so many things have every word of a search as it was typed, it is a name.
const NAME: usize = 3;

impl FusionWeights {
    /// The lists of a search: by words, those of them with every word as typed, by meaning.
    pub fn searched<'a, I>(&self, words: &'a [I], whole: &'a [I], near: &'a [I]) -> [Ranked<'a, I>; 3] {
        let meaning = if whole.len() < NAME { self.vectors } else { self.vectors_of_names };
        [
            Ranked { ids: words, weight: self.text },
            Ranked { ids: whole, weight: self.whole },
            Ranked { ids: near, weight: meaning },
        ]
    }
}

/// How what is new grows old.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// After so many days it counts half.
    pub half_life_days: f64,
}

/// How different results are to be.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Diversity {
    /// From 0 (only different) to 1 (only good).
    pub lambda: f64,
}

/// The weight of each of [`super::features::Features`].
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Parts {
    pub fused: f64,
    pub skills: f64,
    pub recency: f64,
    pub budget: f64,
    pub reputation: f64,
    pub availability: f64,
    pub popularity: f64,
}

/// Who is told at once of a gig that was just posted.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Whoever has at least this share of its skills.
    pub skills: f64,
    /// So many people at most.
    pub people: usize,
}

/// The weights cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the weights of discovery cannot be used: {0}")]
pub struct BadWeights(String);

impl Weights {
    /// Those that the binary brings.
    ///
    /// # Errors
    /// Never, once a test has passed.
    pub fn compiled() -> Result<Self, BadWeights> {
        Self::parse(COMPILED)
    }

    /// Reads weights.
    ///
    /// # Errors
    /// [`BadWeights`] says what is missing or out of its bounds.
    pub fn parse(text: &str) -> Result<Self, BadWeights> {
        let weights: Self = toml::from_str(text).map_err(|error| BadWeights(error.to_string()))?;
        let f = &weights.fusion;
        let mut numbers = vec![f.text, f.whole, f.vectors, f.vectors_of_names, f.skills, f.newest];
        for p in [&weights.search, &weights.gigs, &weights.students, &weights.courses, &weights.mentors] {
            numbers.extend([
                p.fused,
                p.skills,
                p.recency,
                p.budget,
                p.reputation,
                p.availability,
                p.popularity,
            ]);
        }
        if numbers.iter().any(|n| !n.is_finite() || *n < 0.0) {
            return Err(BadWeights("a weight is negative or no number".into()));
        }
        if !(f.k.is_finite() && f.k > 0.0) {
            return Err(BadWeights("fusion.k must be above 0".into()));
        }
        if !(weights.decay.half_life_days.is_finite() && weights.decay.half_life_days > 0.0) {
            return Err(BadWeights("decay.half_life_days must be above 0".into()));
        }
        for (name, share) in
            [("diversity.lambda", weights.diversity.lambda), ("push.skills", weights.push.skills)]
        {
            if !(0.0..=1.0).contains(&share) {
                return Err(BadWeights(format!("{name} must be from 0 to 1")));
            }
        }
        Ok(weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_good_and_bad_ones_are_named() {
        assert_eq!(Weights::compiled().unwrap().version, 3);
        for (from, to, said) in [
            ("k = 10.0", "k = 0.0", "fusion.k"),
            ("lambda = 0.8", "lambda = 8.0", "lambda"),
            ("fused = 1.0", "fused = -1.0", "negative"),
            ("version = 3", "", "version"),
            ("version = 3", "version = 3\nwishes = 3", "wishes"),
        ] {
            let error = Weights::parse(&COMPILED.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
