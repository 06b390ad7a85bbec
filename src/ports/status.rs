//! What a store says of itself, for `/readyz`, `/ops` and `gigsy check`.

use futures_util::future::BoxFuture;
use serde::Serialize;

/// Where a store runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Inside this binary's care: no URL is set.
    Embedded,
    /// A server that a URL names.
    Server,
}

/// One store's state at this moment.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct StoreStatus {
    /// The store's name: `postgres`, `mail`, …
    pub name: &'static str,
    /// Embedded or server.
    pub mode: Mode,
    /// Whether it answered just now.
    pub reachable: bool,
    /// How long the answer took, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Its version, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is worth knowing besides (migrations applied and pending).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it, where something is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

/// Anything whose state an operator may ask for.
pub trait Store: Send + Sync {
    /// Asks it; bounded in time, and never an error: not reachable is an answer.
    fn status(&self) -> BoxFuture<'_, StoreStatus>;

    /// Whether nothing can be served without it. What is not required makes the server `degraded`, not
    /// unready.
    fn required(&self) -> bool {
        true
    }
}

/// Whether a server's version is this one (major, minor) or later.
pub(crate) fn since(version: &str, oldest: (u64, u64)) -> bool {
    let mut parts = version.trim_start_matches('v').split(['.', '-']).map(|part| part.parse::<u64>());
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= oldest,
        // A build without a number: whoever made it knows.
        _ => true,
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    let oldest = (1, 16);
    assert!(since("1.16.0", oldest) && since("1.20.3-dev", oldest) && since("2.0.0", oldest));
    assert!(!since("1.9.4", oldest) && !since("v1.15.9", oldest));
}
