//! For operators: every actor and its mailbox, the sockets, the shards, the stores.

use std::{sync::Arc, time::Instant};

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::{OperatorOnly, Problem, Query, health::Health};
use crate::{
    actors::{ActorReport, Filter, Registry, Sort},
    error::ErrorKind,
    ports::StoreStatus,
    telemetry::log,
};

mod channel;
mod trace;

pub use channel::{OpsChannel, publish_every_second};
pub use trace::{__path_trace, trace};

/// What the operators' handlers read.
#[derive(Clone)]
pub struct Ops {
    /// Every actor.
    pub registry: Registry,
    /// The stores.
    pub health: Arc<Health>,
    /// When the process began to serve.
    pub started: Instant,
}

/// The state of the process around the actors.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct System {
    /// The running version.
    pub version: &'static str,
    /// Seconds since start.
    pub uptime_s: u64,
    /// Resident memory, in bytes; absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    /// All WebSocket connections together.
    pub sockets: Sockets,
    /// One entry a worker shard: its id and what it observes of itself.
    #[schema(value_type = Vec<Object>)]
    pub shards: Vec<serde_json::Value>,
    /// Every store.
    pub stores: Vec<StoreStatus>,
}

/// The connections of all shards together.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
pub struct Sockets {
    /// Open connections.
    pub connections: u64,
    /// Their subscriptions.
    pub subscriptions: u64,
    /// Bytes that wait to be sent.
    pub queued_bytes: u64,
}

impl Ops {
    /// The state of the process.
    pub async fn system(&self) -> System {
        let filter = Filter { kind: Some("shard".into()), ..Filter::default() };
        let reports = self.registry.actors(&filter);
        let mut sockets = Sockets::default();
        let mut shards = Vec::with_capacity(reports.len());
        for report in reports {
            let mut shard = report.state;
            let count = |name: &str| shard.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
            sockets.connections += count("connections");
            sockets.subscriptions += count("subscriptions");
            sockets.queued_bytes += count("queued_bytes");
            if let Some(shard) = shard.as_object_mut() {
                shard.insert("id".into(), report.id.into());
            }
            shards.push(shard);
        }
        System {
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.started.elapsed().as_secs(),
            rss_bytes: resident_bytes(),
            sockets,
            shards,
            stores: self.health.stores().await,
        }
    }
}

/// Resident set size from `/proc` (Linux); pages are 4 KiB on every platform we build for.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Which actors to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ActorsQuery {
    /// Only this kind: `chat_room`, `user_session`, …
    pub kind: Option<String>,
    /// Only ids or kinds that contain this.
    pub q: Option<String>,
    /// The order: `kind` (the default), `depth`, `delay`, `handled`, `rejected`, `dead`, `restarts`,
    /// `panic` or `age`.
    #[param(inline)]
    pub sort: Option<Sort>,
    /// At most so many, 1 to 5000; 1000 by default.
    #[param(minimum = 1, maximum = 5000)]
    pub limit: Option<usize>,
}

/// The actors that were asked for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Actors {
    /// One entry an actor.
    pub items: Vec<ActorReport>,
    /// How many match, listed or not.
    pub total: usize,
}

/// Every actor: kind, id, depth, capacity, counters, delays, restarts, last panic, state.
#[utoipa::path(get, path = "/api/v1/ops/actors", tag = "ops", params(ActorsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The actors", body = Actors)))]
pub async fn actors(
    ops: web::Data<Ops>,
    _operator: OperatorOnly,
    query: Query<ActorsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let limit = match query.limit.unwrap_or(1000) {
        n @ 1..=5000 => n,
        _ => return Err(Problem::field(ErrorKind::Invalid, "?limit", "must be from 1 to 5000")),
    };
    let filter = Filter { kind: query.kind, text: query.q, sort: query.sort.unwrap_or_default(), limit: 0 };
    let mut items = ops.registry.actors(&filter);
    let total = items.len();
    items.truncate(limit);
    Ok(HttpResponse::Ok().json(Actors { items, total }))
}

/// Drops one actor's state and rebuilds it from storage; what waits in its mailbox is kept.
#[utoipa::path(post, path = "/api/v1/ops/actors/{kind}/{id}/restart", tag = "ops",
    params(("kind" = String, Path, description = "The actor's kind"), ("id" = String, Path, description = "The actor's id")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "The restart is under way")))]
pub async fn restart(
    ops: web::Data<Ops>,
    operator: OperatorOnly,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (kind, id) = path.into_inner();
    ops.registry.restart(&kind, &id)?;
    slog::info!(log(), "operator restarted an actor"; "kind" => kind, "id" => id, "operator" => %operator.0.user_id);
    Ok(HttpResponse::Accepted().json(serde_json::json!({})))
}

/// Sockets, shards, stores, memory, uptime.
#[utoipa::path(get, path = "/api/v1/ops/system", tag = "ops",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The process", body = System)))]
pub async fn system(ops: web::Data<Ops>, _operator: OperatorOnly) -> HttpResponse {
    HttpResponse::Ok().json(ops.system().await)
}
