//! Objects: the port's contract over both adapters, and the way of an upload.

mod contract;
mod flow;
mod property;
pub(crate) mod s3_server;
pub(crate) mod world;
