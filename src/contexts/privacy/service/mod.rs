//! The use cases: one method each.

mod archive;
mod erasures;
mod exports;
mod worker;
