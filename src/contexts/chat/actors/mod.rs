//! The room's actor.

pub mod room;

pub use room::{ChatRoom, RoomLimits, RoomSeed};
