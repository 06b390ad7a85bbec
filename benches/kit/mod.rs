//! What every benchmark here shares: child processes that never outlive the run, CPU time and memory
//! of a process, WebSocket frames, a small HTTP client, and the results as a table, JSON and SVG.
//!
//! Plain threads and epoll, no async runtime: the load must not take the processor from the server.
#![allow(dead_code, reason = "each benchmark takes what it needs of the kit")]

pub mod frames;
pub mod http;
pub mod line;
pub mod machine;
pub mod plot;
pub mod process;
pub mod report;
pub mod usage;
pub mod websocket;

/// What a fallible step of a benchmark gives: any error, told to the person who ran it.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What cargo was told of the profile: a debug build's figures say that they are.
pub const fn profile() -> &'static str {
    if cfg!(debug_assertions) { " --profile dev" } else { "" }
}

/// An error of this text.
pub fn fail<T>(text: impl Into<String>) -> Outcome<T> {
    Err(text.into().into())
}
