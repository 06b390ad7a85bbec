//! What operators see of an actor.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The last panic of an actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PanicReport {
    /// What it said, cut to 500 characters.
    pub message: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What an actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActorStatus {
    /// Its state is being (re)built.
    Building,
    /// It serves.
    Running,
    /// It crashed, or could not be rebuilt, and waits before the next attempt.
    BackingOff,
    /// It takes no more messages and finishes those it has.
    Stopping,
    /// It is gone.
    Stopped,
}

/// One actor, as operators see it. Counters are since the actor was started (not its last restart).
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ActorReport {
    /// The kind of actor.
    #[schema(example = "chat_room")]
    pub kind: String,
    /// Which one of its kind.
    pub id: String,
    /// What it is doing.
    pub status: ActorStatus,
    /// Messages that wait in the mailbox.
    pub depth: u64,
    /// How many may wait.
    pub capacity: u64,
    /// Messages ever accepted.
    pub enqueued: u64,
    /// Messages given to the behaviour.
    pub handled: u64,
    /// Messages refused because the mailbox was full.
    pub rejected: u64,
    /// Messages accepted and never given to the behaviour, because it stopped.
    pub dead: u64,
    /// Questions taken up and not yet answered.
    pub unanswered: u64,
    /// Median queueing delay of the last minute or so, µs, sampled, within a factor of two.
    pub delay_p50_us: Option<u64>,
    /// The same, 99th percentile.
    pub delay_p99_us: Option<u64>,
    /// How often the state was rebuilt after a crash or by an operator.
    pub restarts: u64,
    /// The last panic, if there was one.
    pub last_panic: Option<PanicReport>,
    /// Seconds since the actor was started.
    pub age_s: u64,
    /// For a domain's supervisor: how many of its actors were put away for idleness so far.
    pub passivated: u64,
    /// The state's own observation, at most about half a second old while the actor is busy.
    #[schema(value_type = Object)]
    pub state: serde_json::Value,
}

/// What a list of actors is ordered by: numbers fall, text rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Kind, then id.
    #[default]
    Kind,
    /// Waiting messages.
    Depth,
    /// Handled messages.
    Handled,
    /// Refused messages.
    Rejected,
    /// Dead messages.
    Dead,
    /// 99th percentile of the queueing delay.
    Delay,
    /// Restarts.
    Restarts,
    /// The latest panic first.
    Panic,
    /// The oldest first.
    Age,
}

/// Which actors to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only this kind.
    pub kind: Option<String>,
    /// Only those whose kind or id contains this text.
    pub text: Option<String>,
    /// The order.
    pub sort: Sort,
    /// At most this many; 0: all.
    pub limit: usize,
}

impl Filter {
    pub(super) fn admits(&self, kind: &str, id: &str) -> bool {
        self.kind.as_deref().is_none_or(|wanted| wanted == kind)
            && self.text.as_deref().is_none_or(|text| id.contains(text) || kind.contains(text))
    }

    pub(super) fn arrange(&self, reports: &mut Vec<ActorReport>) {
        use std::cmp::Reverse;
        reports.sort_by(|a, b| (&a.kind, &a.id).cmp(&(&b.kind, &b.id)));
        match self.sort {
            Sort::Kind => {}
            Sort::Depth => reports.sort_by_key(|r| Reverse(r.depth)),
            Sort::Handled => reports.sort_by_key(|r| Reverse(r.handled)),
            Sort::Rejected => reports.sort_by_key(|r| Reverse(r.rejected)),
            Sort::Dead => reports.sort_by_key(|r| Reverse(r.dead)),
            Sort::Delay => reports.sort_by_key(|r| Reverse(r.delay_p99_us)),
            Sort::Restarts => reports.sort_by_key(|r| Reverse(r.restarts)),
            Sort::Panic => reports.sort_by_key(|r| Reverse(r.last_panic.as_ref().map(|p| p.at))),
            Sort::Age => reports.sort_by_key(|r| Reverse(r.age_s)),
        }
        if self.limit > 0 {
            reports.truncate(self.limit);
        }
    }
}
