//! All actors of the process, for operators and for Prometheus.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use dashmap::DashMap;

use super::{
    ActorReport, Filter, RestartError,
    cell::{Cell, Tally, signal},
    delay::TotalDelays,
    metrics::KindCollector,
};
use crate::telemetry::metrics::Metrics;

/// All domains' and singleton actors' observation. Cheap to clone; one for the process.
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cells: DashMap<u64, Weak<Cell>>,
    kinds: Mutex<BTreeMap<String, Arc<Kind>>>,
    serial: AtomicU64,
}

/// One kind's totals. They outlive its actors.
#[derive(Default)]
pub(super) struct Kind {
    pub name: String,
    pub started: AtomicU64,
    pub passivated: AtomicU64,
    pub delays: TotalDelays,
    /// What actors that are gone have counted.
    gone: Mutex<Tally>,
    /// What was last reported: an actor that is just passing from the living to the gone is in
    /// neither sum, and a counter must not fall.
    reported: Mutex<Tally>,
}

/// One kind at a moment.
pub(super) struct KindTotals {
    pub kind: Arc<Kind>,
    pub live: u64,
    pub depth: u64,
    pub tally: Tally,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Self::default()
    }

    /// The live actors that `filter` admits, in its order.
    pub fn actors(&self, filter: &Filter) -> Vec<ActorReport> {
        let cells = self.live();
        let admitted = cells.iter().filter(|cell| filter.admits(&cell.kind.name, &cell.id));
        let mut reports = admitted.map(|cell| cell.report()).collect();
        filter.arrange(&mut reports);
        reports
    }

    /// Restarts one actor: its state is dropped and rebuilt, its queue survives. Returns when the
    /// restart is ordered; `restarts` rises when it is done.
    ///
    /// # Errors
    /// When no live actor has this kind and id.
    pub fn restart(&self, kind: &str, id: &str) -> Result<(), RestartError> {
        let cells = self.live();
        let cell = cells.iter().find(|cell| cell.kind.name == kind && cell.id == id);
        cell.ok_or(RestartError::NotFound)?.raise(signal::RESTART);
        Ok(())
    }

    /// Registers the per-kind metrics. Once for a registry.
    pub fn register_metrics(&self, metrics: &Metrics) {
        metrics.register(KindCollector::new(self.clone()));
    }

    // --- for the kit ---

    pub(super) fn kind(&self, name: &str) -> Arc<Kind> {
        let mut kinds = lock(&self.0.kinds);
        if let Some(kind) = kinds.get(name) {
            return kind.clone();
        }
        let kind = Arc::new(Kind { name: name.to_owned(), ..Kind::default() });
        kinds.insert(name.to_owned(), kind.clone());
        kind
    }

    pub(super) fn next_serial(&self) -> u64 {
        self.0.serial.fetch_add(1, Relaxed)
    }

    pub(super) fn enrol(&self, cell: &Arc<Cell>) {
        self.0.cells.insert(cell.serial, Arc::downgrade(cell));
    }

    /// Takes a dead cell's counters over.
    pub(super) fn retire(&self, cell: &Cell) {
        lock(&cell.kind.gone).add(cell.tally());
        self.0.cells.remove(&cell.serial);
    }

    pub(super) fn totals(&self) -> Vec<KindTotals> {
        // The living first: an actor that dies meanwhile is counted in both sums or in one, and
        // `reported` evens out the rest.
        let mut living: BTreeMap<String, (u64, u64, Tally)> = BTreeMap::new();
        let mut seen = Vec::new();
        for cell in self.cells() {
            let slot = living.entry(cell.kind.name.clone()).or_default();
            slot.2.add(cell.tally());
            if cell.exit().is_none() {
                slot.0 += 1;
                slot.1 += cell.depth();
            }
            seen.push(cell); // kept, so that none retires before `gone` is read
        }
        let kinds: Vec<_> = lock(&self.0.kinds).values().cloned().collect();
        let totals = kinds.into_iter().map(|kind| {
            let (live, depth, mut tally) = living.remove(&kind.name).unwrap_or_default();
            tally.add(*lock(&kind.gone));
            let tally = {
                let mut reported = lock(&kind.reported);
                *reported = reported.max(tally);
                *reported
            };
            KindTotals { kind, live, depth, tally }
        });
        let totals = totals.collect();
        drop(seen);
        totals
    }

    fn live(&self) -> Vec<Arc<Cell>> {
        let mut cells = self.cells();
        cells.retain(|cell| cell.exit().is_none());
        cells
    }

    // The references are collected before use: a cell whose last reference is dropped here removes
    // itself from the map, which must not be locked at that moment.
    fn cells(&self) -> Vec<Arc<Cell>> {
        let weak: Vec<_> = self.0.cells.iter().map(|entry| entry.value().clone()).collect();
        weak.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.enqueued += other.enqueued;
        self.handled += other.handled;
        self.rejected += other.rejected;
        self.dead += other.dead;
        self.restarts += other.restarts;
        self.crashes += other.crashes;
    }

    fn max(self, other: Self) -> Self {
        Self {
            enqueued: self.enqueued.max(other.enqueued),
            handled: self.handled.max(other.handled),
            rejected: self.rejected.max(other.rejected),
            dead: self.dead.max(other.dead),
            restarts: self.restarts.max(other.restarts),
            crashes: self.crashes.max(other.crashes),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
