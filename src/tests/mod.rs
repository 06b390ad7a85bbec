//! The one test binary: `support/`, and a folder for each part of the system.

#![allow(clippy::panic, clippy::print_stdout, reason = "that is how a test fails, and what it measured")]

mod activity;
mod actors;
mod career;
mod chat;
mod deploy;
mod discovery;
mod events;
mod gamification;
mod gigs;
mod house;
mod http;
mod idempotency;
mod identity;
mod indexes;
mod learning;
mod ledger;
mod nodes;
mod notifications;
mod objects;
mod postgres;
mod privacy;
mod realtime;
mod redis;
pub(crate) mod support;
mod system;
