//! Logging (slog), correlation ids, Prometheus metrics, and traces.

pub mod correlation;
mod logging;
pub mod metrics;
mod shipping;
pub mod tracing;

pub use logging::{Flush, init, log};

/// What logging and tracing count of themselves.
pub fn register(metrics: &metrics::Metrics) {
    logging::register(metrics);
    tracing::register(metrics);
}
