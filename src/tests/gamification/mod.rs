//! Points, badges, leagues and leaderboards, over a database of their own.

mod awards;
mod boards;
mod copies;
mod courses;
mod http;
mod leagues;
mod property;
mod world;

pub use world::{World, completed, noon, registered};
