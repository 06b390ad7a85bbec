//! What stands on Redis: every port over both adapters, and what happens while Redis is away.

mod away;
mod contracts;
mod nodes;
mod sessions;
