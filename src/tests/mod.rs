//! The one test binary: `support/`, and a folder for each part of the system.

mod actors;
mod chat;
mod house;
mod identity;
mod postgres;
mod realtime;
pub(crate) mod support;
mod system;
