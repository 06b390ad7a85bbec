//! The actors of the identity context.

pub mod session;
