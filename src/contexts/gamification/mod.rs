//! Gamification: points, levels, streaks, badges, leaderboards, leagues.
//!
//! **Owns** the ledger of points and all that follows from it; schema `gamification`; the channels
//! `leaderboard:<board>`.
//!
//! **Emits** `xp.awarded`, `level.reached`, `badge.awarded`, `badge.revoked`, `league.closed`.
//!
//! **Never touches** other contexts: what people did comes as events, names come from identity's directory.
//!
//! # From an event to a place
//! ```text
//! event ─▶ facts ─▶ rules (data) ─▶ ledger ─▶ boards in memory (actors), leagues
//!            ╰────▶ active days ─▶ streak ─▶ badges ◀─ level ◀─ total
//! ```
//! Facts, points, days, badges and the events about them commit with the inbox row of the event. A fact is
//! unique by person, kind and business key; caps are counted by UTC day; a streak is a function of days: so
//! an event that comes twice, or late, has the effect that it would have had once and in time.

mod actors;
mod channels;
mod consumers;
mod copies;
mod custody;
mod error;
mod events;
pub mod handlers;
mod metrics;
mod model;
pub mod ranking;
mod realtime;
mod service;
mod store;
mod views;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use dashmap::DashMap;

#[cfg(test)]
pub(crate) use actors::Poison;
pub use actors::{Leaderboard, Live};
pub use channels::namespaces;
pub use consumers::consumers;
pub use copies::{Copies, CopyParts};
pub use error::GameError;
pub use events::{BADGE_AWARDED, BADGE_REVOKED, LEAGUE_CLOSED, LEVEL_REACHED, XP_AWARDED};
pub use handlers::api;
pub use metrics::GameMetrics;
pub use model::{BadRules, BoardId, Outcome, RuleSet, Tier, Window, level, threshold};
pub use ranking::Standing;
pub use realtime::rpcs;
pub use service::{BoardForm, Copied, PartForm, Rebuilt, RebuiltBoard, RebuiltBoards, SettingsPatch};

use crate::{
    actors::{Arbiters, Domain, DomainConfig, Registry},
    clock::Clock,
    contexts::identity::Directory,
    postgres::{Conn, Database},
    signing::Signer,
};

/// What the context is set up with.
pub struct Parts {
    /// The relational store.
    pub database: Database,
    /// Who people are.
    pub people: Directory,
    /// Signs cursors.
    pub signer: Signer,
    /// The time of day.
    pub clock: Clock,
    /// Where days, weeks and months of boards and leagues begin and end.
    pub zone: chrono_tz::Tz,
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// What is measured.
    pub metrics: GameMetrics,
}

/// The context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Gamification {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Parts,
    /// Grows when something was awarded here: boards look sooner.
    nudges: Arc<AtomicU64>,
    /// Told when it does, for other nodes.
    on_award: std::sync::OnceLock<Box<dyn Fn() + Send + Sync>>,
    /// Woken when a task was set.
    wake: tokio::sync::Notify,
}

impl Gamification {
    /// Sets the context up; nothing runs by itself. The server runs [`Gamification::run`].
    pub fn new(parts: Parts) -> Self {
        let inner = Inner {
            parts,
            nudges: Arc::default(),
            on_award: std::sync::OnceLock::new(),
            wake: tokio::sync::Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Starts the boards' supervisor; boards start when somebody asks. `copies` is where they are shared with
    /// other nodes.
    pub fn start_boards(
        &self,
        live: Live,
        copies: Option<CopyParts>,
        config: DomainConfig,
        registry: &Registry,
        placement: &Arbiters,
    ) -> Boards {
        let states: actors::States = Arc::new(DashMap::new());
        let metrics = self.inner.parts.metrics.clone();
        let copies =
            copies.map_or_else(Copies::none, |parts| Copies::new(parts, states.clone(), metrics.clone()));
        let seed = actors::BoardSeed {
            database: self.inner.parts.database.clone(),
            clock: self.inner.parts.clock.clone(),
            zone: self.inner.parts.zone,
            live,
            nudges: self.inner.nudges.clone(),
            states: states.clone(),
            copies: copies.clone(),
            metrics,
        };
        // A million people take seconds to add up.
        let config = DomainConfig { rebuild_within: std::time::Duration::from_secs(120), ..config };
        Boards {
            game: self.clone(),
            domain: Domain::start(seed, config, registry, placement),
            states,
            copies,
        }
    }

    /// Something was awarded, here or on another node: boards look now. Never needed; sometimes quicker.
    pub fn nudge(&self) {
        self.inner.nudges.fetch_add(1, Ordering::AcqRel);
    }

    /// Whom to tell when something was awarded here; once.
    pub fn on_award(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _ = self.inner.on_award.set(Box::new(tell));
    }

    fn awarded(&self) {
        self.nudge();
        if let Some(tell) = self.inner.on_award.get() {
            tell();
        }
    }

    async fn conn(&self) -> Result<Conn, GameError> {
        Ok(self.inner.parts.database.conn().await?)
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.parts.clock.now()
    }

    fn rules(&self) -> &RuleSet {
        &self.inner.parts.rules
    }
}

/// The word to other nodes that something was awarded.
pub const AWARDED: &str = "xp_awarded";

/// The leaderboards. Cheap to clone.
#[derive(Clone)]
pub struct Boards {
    game: Gamification,
    domain: Domain<Leaderboard>,
    states: actors::States,
    copies: Copies,
}

impl Boards {
    /// The actors.
    pub fn domain(&self) -> &Domain<Leaderboard> {
        &self.domain
    }
}
