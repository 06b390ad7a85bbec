//! Identity over a real PostgreSQL, with a clock moved by hand and mail kept in memory.

mod contract;
mod deletion;
mod events;
mod http;
mod password;
mod profile;
mod registration;
mod secrets;
mod sessions;
mod sign_in;
mod world;
