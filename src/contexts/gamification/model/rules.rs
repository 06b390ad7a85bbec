//! The rules, as data: `rules.toml`, compiled in, and kept in the database by version.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Fact, FactKind};

/// What is worth points and badges.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    /// Grows with every change.
    pub version: i32,
    /// What is worth points.
    pub xp: Vec<XpRule>,
    /// What is worth a badge.
    pub badge: Vec<BadgeRule>,
}

/// What is worth points.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct XpRule {
    /// Its name, in the ledger for good.
    pub name: String,
    /// What must have happened.
    pub fact: FactKind,
    /// Points for each.
    pub points: i64,
    /// Awards a person and UTC day at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_day: Option<u32>,
    /// At most one award in each stretch of so many seconds, counted from 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_seconds: Option<u32>,
    /// Only facts with at least this value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_value: Option<i64>,
    /// Credited to the gig's skills too.
    #[serde(default)]
    pub skills: bool,
    /// Counts on the course's board too.
    #[serde(default)]
    pub course: bool,
}

impl XpRule {
    /// Whether the rule is about that fact.
    pub fn takes(&self, fact: &Fact) -> bool {
        self.fact == fact.kind && self.min_value.is_none_or(|least| fact.value >= least)
    }

    /// The stretch that a moment is in, where there is a cooldown.
    pub fn stretch(&self, at: chrono::DateTime<chrono::Utc>) -> Option<i64> {
        Some(at.timestamp().div_euclid(i64::from(self.cooldown_seconds?.max(1))))
    }
}

/// What is worth a badge.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BadgeRule {
    /// Its name in URLs and in the database.
    pub id: String,
    /// As people read it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its picture: `/assets/badges/<icon>.svg`.
    pub icon: String,
    /// What is counted.
    pub over: Over,
    /// From how much on, ascending.
    pub tiers: Vec<TierRule>,
    /// Again with every further multiple of the only tier.
    #[serde(default)]
    pub repeat: bool,
    /// Stays, also when its condition ends.
    pub sticky: bool,
}

/// What a badge counts.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(untagged, deny_unknown_fields)]
pub enum Over {
    /// Facts of a kind.
    Count {
        /// The kind.
        count: FactKind,
        /// Only with at least this value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min_value: Option<i64>,
    },
    /// The average of the values of a kind, in hundredths.
    Average {
        /// The kind.
        average: FactKind,
        /// Once there are so many.
        at_least: i64,
    },
    /// The longest streak, in days.
    Streak {
        /// Always `true`.
        streak: bool,
    },
    /// The level.
    Level {
        /// Always `true`.
        level: bool,
    },
}

/// One tier of a badge.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TierRule {
    /// How high.
    pub tier: Tier,
    /// From this on.
    pub at: i64,
}

/// How high a badge is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The first.
    Bronze,
    /// The second.
    Silver,
    /// The third.
    Gold,
}

impl Tier {
    /// Its name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }

    /// The tier of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Bronze, Self::Silver, Self::Gold].into_iter().find(|tier| tier.as_str() == name)
    }
}

/// The rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the rules cannot be used: {0}")]
pub struct BadRules(String);

const COMPILED: &str = include_str!("rules.toml");

impl RuleSet {
    /// The rules that are compiled in.
    ///
    /// # Errors
    /// [`BadRules`]; a test sees that there are none.
    pub fn compiled() -> Result<Arc<Self>, BadRules> {
        Self::parse(COMPILED).map(Arc::new)
    }

    /// Reads rules.
    ///
    /// # Errors
    /// [`BadRules`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, BadRules> {
        let rules: Self = toml::from_str(text).map_err(|e| BadRules(e.to_string()))?;
        rules.check()?;
        Ok(rules)
    }

    fn check(&self) -> Result<(), BadRules> {
        let bad = |name: &str, what: &str| Err(BadRules(format!("{name}: {what}")));
        let mut names = BTreeSet::new();
        for rule in &self.xp {
            if !names.insert(&rule.name) || rule.name == super::CORRECTION {
                return bad(&rule.name, "this name is taken");
            }
            if rule.points <= 0 {
                return bad(&rule.name, "points must be positive");
            }
            // So that a stretch never reaches over midnight, and the day's sum is the same in any order.
            if rule.cooldown_seconds.is_some_and(|seconds| seconds == 0 || 86_400 % seconds != 0) {
                return bad(&rule.name, "a cooldown must divide a day");
            }
            if (rule.skills || rule.course) && (rule.per_day.is_some() || rule.cooldown_seconds.is_some()) {
                return bad(
                    &rule.name,
                    "what counts on a skill's or course's board has neither cap nor cooldown",
                );
            }
        }
        let mut ids = BTreeSet::new();
        for rule in &self.badge {
            if !ids.insert(&rule.id) {
                return bad(&rule.id, "this id is taken");
            }
            let ascending =
                rule.tiers.windows(2).all(|two| two[0].at < two[1].at && two[0].tier < two[1].tier);
            if rule.tiers.is_empty() || !ascending || rule.tiers[0].at <= 0 {
                return bad(&rule.id, "tiers must ascend from above zero");
            }
            if rule.repeat && (rule.tiers.len() != 1 || !rule.sticky) {
                return bad(&rule.id, "what repeats has one tier and is sticky");
            }
        }
        Ok(())
    }

    /// What tells these rules from others of the same version.
    pub fn digest(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&json).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The badge of that id.
    pub fn badge(&self, id: &str) -> Option<&BadgeRule> {
        self.badge.iter().find(|rule| rule.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiled_rules_are_sound_and_unchanged() {
        let rules = RuleSet::compiled().unwrap();
        assert!(rules.xp.len() > 10 && rules.badge.len() > 7);
        // Whoever changes a rule raises the version and puts the new digest here.
        let digest = &rules.digest()[..16];
        assert_eq!((rules.version, digest), (2, super::super::RULES_DIGEST), "the rules changed");
        for badge in &rules.badge {
            let icon = format!("badges/{}.svg", badge.icon);
            assert!(crate::http::pages::has_asset(&icon), "{icon} is not among the assets");
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        let rule = |more: &str| {
            let text = format!(
                "version = 1\nbadge = []\n[[xp]]\nname = \"a\"\nfact = \"registered\"\npoints = 1\n{more}"
            );
            RuleSet::parse(&text)
        };
        assert!(rule("").is_ok());
        assert!(rule("skills = true\nper_day = 1").is_err());
        assert!(rule("course = true\ncooldown_seconds = 60").is_err());
        assert!(rule("colour = 1").is_err());
        assert!(rule("[[xp]]\nname = \"a\"\nfact = \"hired\"\npoints = 1").is_err());
    }
}
