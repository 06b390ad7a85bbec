//! What gamification knows, without any I/O: facts, rules, levels, streaks, badges, leagues, windows.

pub mod badges;
pub mod board;
mod facts;
pub mod league;
mod level;
mod rules;
pub mod streak;

pub use board::{BoardId, NoBoard, Span, Window, is_slug};
pub use facts::{Fact, FactKind, SUBJECTS, of_event, skills_of, title_of};
pub use league::Outcome;
pub use level::{level, threshold};
pub use rules::{BadRules, BadgeRule, Over, RuleSet, Tier, TierRule, XpRule};

/// The rule of ledger entries that set earlier ones right.
pub const CORRECTION: &str = "correction";

/// The beginning of [`RuleSet::digest`] of the rules as they were released.
#[cfg(test)]
pub(crate) const RULES_DIGEST: &str = "1a80180eb2dfc4a7";
