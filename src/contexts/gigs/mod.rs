//! Gigs.
pub(crate) mod model;
pub(crate) mod store;
