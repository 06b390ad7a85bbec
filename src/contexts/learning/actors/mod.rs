//! The actors of learning.

mod live;

#[cfg(test)]
pub use live::Poison;
pub use live::{LiveQuiz, LiveRefusal, LiveSeed, Look, Said, Say, Take};
