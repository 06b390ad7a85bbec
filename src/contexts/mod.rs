//! The bounded contexts. Each owns a schema, and meets the others through its `mod.rs` or events.

pub mod activity;
pub mod career;
pub mod chat;
pub mod discovery;
pub mod gamification;
pub mod gigs;
pub mod identity;
pub mod learning;
pub mod ledger;
pub mod notifications;
pub mod objects;
pub mod privacy;
