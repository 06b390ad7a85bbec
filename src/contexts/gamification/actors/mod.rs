//! The actors of gamification.

pub mod leaderboard;
mod messages;
mod news;
mod state;

pub use leaderboard::TOP;
pub use leaderboard::{BoardSeed, Leaderboard, States};
#[cfg(test)]
pub use messages::Poison;
pub use messages::Watch;
pub use messages::{Ask, Part, Question, Refresh};
pub use news::{Live, NAMESPACE, PublicRow, channel, of_channel};
