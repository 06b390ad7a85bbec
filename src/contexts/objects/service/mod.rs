//! The use cases: one method each.

pub(super) mod erase;
pub(super) mod holds;
mod sweep;
mod uploads;
mod verify;
