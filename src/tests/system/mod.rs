//! The system as its users have it: the real binary, unmodified SDKs, kills and stops.

mod abuse;
mod browser;
mod crash;
mod drain;
mod fuzz;
mod hostile;
mod mail;
mod matching;
mod money;
mod mongodb;
mod objects;
mod operations;
mod restart;
mod sdk;
mod store_server;
pub(in crate::tests) mod talk;
