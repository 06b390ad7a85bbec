//! Configuration: built-in defaults < `gigsy.toml` < environment.
//!
//! [`default.toml`](DEFAULTS) names every setting with its comment; each field here names its
//! environment variable. A mistake is refused at start with the setting's name.

mod load;
mod network;
mod sections;

#[cfg(test)]
pub(crate) use load::layer;
pub use load::{ConfigError, Loaded, load};
pub use network::Network;
pub use sections::*;

/// The commented defaults, compiled in.
pub const DEFAULTS: &str = include_str!("default.toml");
