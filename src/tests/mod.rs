//! The one test binary: `support/`, and a folder for each part of the system.

mod chat;
mod identity;
mod postgres;
pub(crate) mod support;
