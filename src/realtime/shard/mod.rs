//! The shard: one for each HTTP worker, on the worker's own thread. It owns what goes out.

pub mod message;
