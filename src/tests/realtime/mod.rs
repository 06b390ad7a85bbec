//! The real-time layer over a real listener.

mod connecting;
mod endings;
mod fixture;
mod protobuf;
mod streams;
