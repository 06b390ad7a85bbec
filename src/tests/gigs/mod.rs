//! The marketplace: one walk through a whole contract, the rules over HTTP, the invariants under random
//! interleavings.

mod applications;
mod flow;
mod http;
mod market;
mod milestone;
mod news;
pub(in crate::tests) mod provider;
mod timers;
mod world;
