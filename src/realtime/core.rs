//! The layer put together: what `app.rs` builds once and every part shares.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    auth::Authenticator,
    budget::Budget,
    channels::{Channel, Namespace},
    hub::Hub,
    lanes::Lanes,
    metrics::RealtimeMetrics,
    rpc::Rpc,
    settings::Settings,
};
use crate::{
    actors::Registry,
    ports::limits::Limits,
    principal::{Principal, UserId},
    telemetry::metrics::Metrics,
};

/// The real-time layer of a node. Cheap to clone.
#[derive(Clone)]
pub struct Realtime {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Hub,
    settings: Arc<Settings>,
    metrics: RealtimeMetrics,
    registry: Registry,
    auth: Arc<dyn Authenticator>,
    namespaces: HashMap<&'static str, Arc<dyn Namespace>>,
    rpcs: HashMap<&'static str, Arc<dyn Rpc>>,
    lanes: OnceLock<Arc<dyn Lanes>>,
    limits: Option<Arc<dyn Limits>>,
    node: String,
    draining: AtomicBool,
}

/// Collects what the layer is made of.
pub struct RealtimeBuilder {
    inner: Inner,
}

impl Realtime {
    /// Starts building. The hub is made first, because contexts need it to publish.
    pub fn builder(
        hub: Hub,
        settings: Settings,
        metrics: &Metrics,
        registry: &Registry,
        auth: Arc<dyn Authenticator>,
    ) -> RealtimeBuilder {
        let metrics = RealtimeMetrics::new(metrics);
        hub.observe_with(metrics.clone());
        RealtimeBuilder {
            inner: Inner {
                hub,
                settings: Arc::new(settings),
                metrics,
                registry: registry.clone(),
                auth,
                namespaces: HashMap::new(),
                rpcs: HashMap::new(),
                lanes: OnceLock::new(),
                limits: None,
                node: uuid::Uuid::new_v4().simple().to_string(),
                draining: AtomicBool::new(false),
            },
        }
    }

    /// Plugs in the actors that own connections' commands; once, before the first connection. They
    /// need the layer themselves, which is why this comes after building it.
    pub fn serve_by(&self, lanes: Arc<dyn Lanes>) {
        // A second call would be a mistake in the wiring, and changes nothing.
        let _ = self.inner.lanes.set(lanes);
    }

    /// The hub.
    pub fn hub(&self) -> &Hub {
        &self.inner.hub
    }

    /// The settings.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.inner.settings
    }

    /// A session's part of its person's command rate, where that is counted.
    pub fn budget(&self, user: UserId) -> Option<Budget> {
        let limits = self.inner.limits.clone()?;
        Some(Budget::new(limits, user, self.inner.settings.commands_per_second))
    }

    /// The metrics.
    pub fn metrics(&self) -> &RealtimeMetrics {
        &self.inner.metrics
    }

    /// Whether the node is letting its connections go.
    pub fn is_draining(&self) -> bool {
        self.inner.draining.load(Ordering::Acquire)
    }

    pub(super) fn begin_drain(&self) {
        self.inner.draining.store(true, Ordering::Release);
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(super) fn auth(&self) -> &dyn Authenticator {
        &*self.inner.auth
    }

    pub(super) fn lanes(&self) -> Option<&dyn Lanes> {
        self.inner.lanes.get().map(|lanes| &**lanes)
    }

    pub(super) fn namespace(&self, channel: &Channel) -> Option<&Arc<dyn Namespace>> {
        self.inner.namespaces.get(channel.namespace())
    }

    pub(super) fn rpc(&self, method: &str) -> Option<&Arc<dyn Rpc>> {
        self.inner.rpcs.get(method)
    }

    pub(super) fn node(&self) -> &str {
        &self.inner.node
    }

    /// What the server subscribes a person to at connect.
    pub(super) fn server_side(&self, who: &Principal) -> Vec<Channel> {
        self.inner.namespaces.values().filter_map(|namespace| namespace.server_side(who)).collect()
    }
}

impl RealtimeBuilder {
    /// Adds a namespace; one of the same name replaces it.
    #[must_use]
    pub fn namespace(mut self, namespace: Arc<dyn Namespace>) -> Self {
        self.inner.namespaces.insert(namespace.name(), namespace);
        self
    }

    /// Adds a remote procedure; one of the same name replaces it.
    #[must_use]
    pub fn rpc(mut self, rpc: Arc<dyn Rpc>) -> Self {
        self.inner.rpcs.insert(rpc.method(), rpc);
        self
    }

    /// Counts each person's commands in these limits, over all their sign-ins.
    #[must_use]
    pub fn limits(mut self, limits: Arc<dyn Limits>) -> Self {
        self.inner.limits = Some(limits);
        self
    }

    /// The finished layer.
    pub fn build(self) -> Realtime {
        Realtime { inner: Arc::new(self.inner) }
    }
}
