//! Which badges somebody should have: a function of what is known about them.

use std::collections::BTreeMap;

use super::{BadgeRule, FactKind, Over, RuleSet, Tier};

/// What is known about somebody.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// By kind and value: how many facts.
    pub counts: BTreeMap<(FactKind, i64), i64>,
    /// The longest streak, in days.
    pub longest_streak: i64,
    /// The level.
    pub level: i64,
}

/// A badge that somebody should have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deserved {
    /// The rule's id.
    pub badge: String,
    /// How high.
    pub tier: Tier,
    /// Which time, from 1.
    pub n: i32,
}

/// How often a badge can be had again.
const MOST: i64 = 1_000;

/// All of them, in order.
pub fn deserved(rules: &RuleSet, known: &Known) -> Vec<Deserved> {
    let mut all: Vec<_> = rules.badge.iter().flat_map(|rule| of_rule(rule, known)).collect();
    all.sort();
    all
}

fn of_rule(rule: &BadgeRule, known: &Known) -> Vec<Deserved> {
    let Some(has) = measure(&rule.over, known) else { return Vec::new() };
    let one = |tier: Tier, n: i64| Deserved { badge: rule.id.clone(), tier, n: n as i32 };
    if rule.repeat {
        let Some(only) = rule.tiers.first() else { return Vec::new() };
        return (1..=(has / only.at).min(MOST)).map(|n| one(only.tier, n)).collect();
    }
    rule.tiers.iter().filter(|tier| has >= tier.at).map(|tier| one(tier.tier, 1)).collect()
}

/// How much somebody has of what a badge counts.
fn measure(over: &Over, known: &Known) -> Option<i64> {
    let of = |kind: FactKind| {
        known.counts.iter().filter(move |((k, _), _)| *k == kind).map(|((_, value), n)| (*value, *n))
    };
    match *over {
        Over::Count { count, min_value } => Some(
            of(count)
                .filter(|(value, _)| min_value.is_none_or(|least| *value >= least))
                .map(|(_, n)| n)
                .sum(),
        ),
        Over::Average { average, at_least } => {
            let count: i64 = of(average).map(|(_, n)| n).sum();
            let sum: i128 = of(average).map(|(value, n)| i128::from(value) * i128::from(n)).sum();
            if count < at_least.max(1) {
                return None;
            }
            i64::try_from(sum * 100 / i128::from(count)).ok()
        }
        Over::Streak { .. } => Some(known.longest_streak),
        Over::Level { .. } => Some(known.level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(known: &Known, badge: &str) -> Vec<(Tier, i32)> {
        let all = deserved(&RuleSet::compiled().unwrap(), known);
        all.into_iter().filter(|d| d.badge == badge).map(|d| (d.tier, d.n)).collect()
    }

    fn reviews(stars: &[(i64, i64)]) -> Known {
        let counts = stars.iter().map(|(value, n)| ((FactKind::ReviewReceived, *value), *n)).collect();
        Known { counts, ..Known::default() }
    }

    #[test]
    fn tiers_repeats_and_averages() {
        let posted = |n| Known { counts: [((FactKind::GigPosted, 1), n)].into(), ..Known::default() };
        assert_eq!(has(&posted(0), "first-gig"), []);
        assert_eq!(has(&posted(9), "first-gig"), [(Tier::Bronze, 1)]);
        assert_eq!(has(&posted(10), "first-gig"), [(Tier::Bronze, 1), (Tier::Silver, 1)]);
        assert_eq!(has(&reviews(&[(5, 9), (4, 50)]), "five-stars"), []);
        assert_eq!(has(&reviews(&[(5, 20)]), "five-stars"), [(Tier::Gold, 1), (Tier::Gold, 2)]);
        assert_eq!(has(&reviews(&[(5, 4)]), "top-rated"), [], "five reviews at least");
        assert_eq!(has(&reviews(&[(5, 4), (4, 1)]), "top-rated"), [(Tier::Gold, 1)], "4.8");
        assert_eq!(has(&reviews(&[(5, 3), (4, 2)]), "top-rated"), []);
        let streak = Known { longest_streak: 30, level: 5, ..Known::default() };
        assert_eq!(has(&streak, "streak"), [(Tier::Bronze, 1), (Tier::Silver, 1)]);
        assert_eq!(has(&streak, "level"), [(Tier::Bronze, 1)]);
    }
}
