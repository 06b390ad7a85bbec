//! Logging (slog), correlation ids, and Prometheus metrics.

pub mod correlation;
mod logging;
pub mod metrics;

pub use logging::{Flush, init, log, register};
