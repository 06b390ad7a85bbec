//! Chat: rooms, who is in them, and what was said there.

pub mod error;
pub mod model;
pub mod store;
mod text;
