//! Liveness, readiness, metrics, and what the demo offers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpResponse, web};
use futures_util::future::join_all;
use serde::Serialize;

use crate::{
    contexts::identity::DEMO_ACCOUNTS,
    error::ErrorKind,
    http::Problem,
    ports::{Store, StoreStatus},
    telemetry::metrics::Metrics,
};

/// What the probes look at.
pub struct Health {
    stores: Vec<Arc<dyn Store>>,
    draining: AtomicBool,
    prepared: AtomicBool,
    demo: bool,
}

/// The body of `/readyz`.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Readiness {
    /// `ready`, `starting`, `draining` or `degraded`.
    pub status: &'static str,
    /// Every store by name.
    pub stores: Vec<StoreStatus>,
}

/// What `serve --demo` offers for trying out.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Demo {
    /// The accounts.
    pub accounts: Vec<DemoAccount>,
    /// The password that all of them share.
    pub password: &'static str,
}

/// One demo account.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DemoAccount {
    /// To sign in with.
    pub email: &'static str,
    /// Whom it shows.
    pub display_name: &'static str,
    /// What they may do.
    pub role: &'static str,
}

impl Health {
    /// A server that is not ready yet. `demo` says whether demo accounts are offered.
    pub fn new(stores: Vec<Arc<dyn Store>>, demo: bool) -> Self {
        Self { stores, draining: AtomicBool::new(false), prepared: AtomicBool::new(false), demo }
    }

    /// Everything that start-up had to do is done.
    pub fn prepared(&self) {
        self.prepared.store(true, Ordering::Release);
    }

    /// The server is on its way out: load balancers, look elsewhere.
    pub fn draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Asks every store.
    pub async fn stores(&self) -> Vec<StoreStatus> {
        join_all(self.stores.iter().map(|store| store.status())).await
    }

    /// Whether it is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    async fn readiness(&self) -> (Readiness, bool) {
        let stores = self.stores().await;
        let mut pairs = self.stores.iter().zip(&stores);
        let served = pairs.all(|(store, status)| status.reachable || !store.required());
        let status = if self.is_draining() {
            "draining"
        } else if !self.prepared.load(Ordering::Acquire) {
            "starting"
        } else if stores.iter().all(|store| store.reachable) {
            "ready"
        } else {
            "degraded"
        };
        (Readiness { status, stores }, served)
    }
}

/// Alive: the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "Alive", body = String, content_type = "text/plain")))]
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

/// Whether the server serves, and each store by name: embedded or server, reachable, latency.
#[utoipa::path(get, path = "/readyz", tag = "health", responses(
    (status = 200, description = "Ready; `degraded` where one is away that we go on without", body = Readiness),
    (status = 503, description = "Starting, draining, or a store is away that we need", body = Readiness)))]
pub async fn readyz(health: web::Data<Health>) -> HttpResponse {
    let (readiness, served) = health.readiness().await;
    if readiness.status == "ready" || (readiness.status == "degraded" && served) {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

/// Prometheus metrics in the text exposition format.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
pub async fn metrics(metrics: web::Data<Metrics>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(metrics.scrape().await)
}

/// The demo accounts; 404 unless the server runs with `--demo`.
#[utoipa::path(get, path = "/api/v1/demo", tag = "health", responses((status = 200, description = "Demo accounts", body = Demo)))]
pub async fn demo(health: web::Data<Health>) -> Result<HttpResponse, Problem> {
    if !health.demo {
        return Err(Problem::new(ErrorKind::NotFound, "this server offers no demo accounts"));
    }
    let accounts = DEMO_ACCOUNTS
        .iter()
        .map(|a| DemoAccount { email: a.email, display_name: a.display_name, role: a.role.as_str() })
        .collect();
    Ok(HttpResponse::Ok().json(Demo { accounts, password: crate::contexts::identity::DEMO_PASSWORD }))
}
