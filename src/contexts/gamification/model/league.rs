//! Weekly leagues: groups of thirty; the first go up, the last go down.

/// People of a group at most.
pub const GROUP: i32 = 30;
/// The highest tier; 1 is the lowest.
pub const TOP_TIER: i32 = 10;
/// Of a full group, so many go up and so many down.
const MOVE: usize = 7;
/// Names of the tiers, from the lowest.
const NAMES: [&str; TOP_TIER as usize] =
    ["Bronze", "Silver", "Gold", "Sapphire", "Ruby", "Emerald", "Amethyst", "Pearl", "Obsidian", "Diamond"];

/// What a tier is called.
pub fn tier_name(tier: i32) -> &'static str {
    usize::try_from(tier - 1).ok().and_then(|n| NAMES.get(n)).copied().unwrap_or("Bronze")
}

/// What becomes of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// One tier up.
    Promoted,
    /// The same tier.
    Stayed,
    /// One tier down.
    Relegated,
}

impl Outcome {
    /// Its name in JSON and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::Stayed => "stayed",
            Self::Relegated => "relegated",
        }
    }
}

/// What becomes of the one at `rank` (from 1) of a group of `size` in `tier`, and the tier of the next week.
/// `7 · size / 30` go up and as many down, rounded down: so a small group moves fewer, and nobody moves in
/// one of four or less. Whoever earned nothing does not go up.
pub fn outcome(rank: usize, size: usize, tier: i32, score: i64) -> (Outcome, i32) {
    let moving = MOVE * size / GROUP as usize;
    if rank <= moving && score > 0 && tier < TOP_TIER {
        (Outcome::Promoted, tier + 1)
    } else if rank + moving > size && tier > 1 {
        (Outcome::Relegated, tier - 1)
    } else {
        (Outcome::Stayed, tier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_group_moves_seven_each_way_and_the_ends_have_walls() {
        let count = |tier: i32, size: usize, what: Outcome| {
            (1..=size).filter(|rank| outcome(*rank, size, tier, 10).0 == what).count()
        };
        assert_eq!(count(5, 30, Outcome::Promoted), 7);
        assert_eq!(count(5, 30, Outcome::Relegated), 7);
        assert_eq!(count(1, 30, Outcome::Relegated), 0);
        assert_eq!(count(TOP_TIER, 30, Outcome::Promoted), 0);
        assert_eq!(count(5, 4, Outcome::Stayed), 4);
        assert_eq!(count(5, 10, Outcome::Promoted), 2);
        assert_eq!(outcome(1, 30, 3, 0), (Outcome::Stayed, 3));
    }
}
