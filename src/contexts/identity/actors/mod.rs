//! The actors of the identity context.

pub mod session;

use std::sync::Arc;

use crate::{
    actors::{Arbiters, Domain, DomainConfig, Registry},
    realtime::Realtime,
};
pub use session::UserSession;
use session::{SessionLanes, SessionSeed, SessionSource};

/// Starts the sessions' supervisor and gives it the connections' commands; sessions start with their
/// first connection.
pub fn start(
    realtime: &Realtime,
    source: Arc<dyn SessionSource>,
    config: DomainConfig,
    registry: &Registry,
    placement: &Arbiters,
) -> Domain<UserSession> {
    let seed = SessionSeed { source, realtime: realtime.clone() };
    let domain = Domain::start(seed, config, registry, placement);
    realtime.serve_by(Arc::new(SessionLanes(domain.clone())));
    domain
}
