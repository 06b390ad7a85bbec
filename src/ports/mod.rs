//! Capabilities that contexts share, each behind a trait with its adapters beside it.

pub mod boards;
pub mod bus;
pub mod cache;
pub mod embed;
pub mod limits;
pub mod locks;
pub mod mail;
pub mod mongo;
pub mod objects;
pub mod payments;
pub mod push;
mod status;

pub use status::{Mode, Store, StoreStatus};
