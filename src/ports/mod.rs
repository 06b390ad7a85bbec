//! Capabilities that contexts share, each behind a trait with its adapters beside it.

pub mod attributes;
pub mod boards;
pub mod bus;
pub mod cache;
mod driver;
pub mod embed;
pub mod limits;
pub mod locks;
pub mod mail;
pub mod mongo;
pub mod objects;
pub mod payments;
pub mod push;
mod status;
pub mod text;
pub mod vectors;

pub use status::{Mode, Store, StoreStatus};
