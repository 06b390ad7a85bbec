//! The actors of gamification.

pub mod leaderboard;
mod messages;
mod news;
mod state;

pub use leaderboard::TOP;
pub use leaderboard::{BoardSeed, Leaderboard, States, read};
#[cfg(test)]
pub use messages::Poison;
pub use messages::Watch;
pub use messages::{Ask, Part, Question, Refresh, Row};
pub use news::{Live, NAMESPACE, PublicRow, channel, of_channel};
pub use state::Board;
