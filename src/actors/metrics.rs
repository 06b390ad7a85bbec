//! The kit's Prometheus metrics: per kind, never per id.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use prometheus::{
    core::{Collector, Desc},
    proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    delay::{BUCKETS, TotalDelays, upper_us},
    registry::{KindTotals, Registry},
};

/// Reads the registry whenever `/metrics` is read.
#[derive(Clone)]
pub(super) struct KindCollector {
    registry: Registry,
    descriptions: Arc<Vec<Desc>>,
}

type Read = fn(&KindTotals) -> u64;

/// Name, help, type, and how to read it, of the metrics that have a kind as their only label.
const SIMPLE: [(&str, &str, MetricType, Read); 7] = [
    ("gigsy_actors_live", "Actors that live now.", MetricType::GAUGE, |t| t.live),
    ("gigsy_actor_mailbox_depth", "Messages that wait in mailboxes.", MetricType::GAUGE, |t| t.depth),
    ("gigsy_actors_started_total", "Actors ever started.", MetricType::COUNTER, |t| {
        t.kind.started.load(Relaxed)
    }),
    ("gigsy_actors_passivated_total", "Actors put away for idleness.", MetricType::COUNTER, |t| {
        t.kind.passivated.load(Relaxed)
    }),
    ("gigsy_actor_crashes_total", "Panics in actors.", MetricType::COUNTER, |t| t.tally.crashes),
    ("gigsy_actor_restarts_total", "States rebuilt.", MetricType::COUNTER, |t| t.tally.restarts),
    ("gigsy_actor_messages_enqueued_total", "Messages accepted into mailboxes.", MetricType::COUNTER, |t| {
        t.tally.enqueued
    }),
];

const OUTCOMES: &str = "gigsy_actor_messages_total";
const OUTCOMES_HELP: &str =
    "Messages by what became of them: handled, rejected (mailbox full), dead (actor stopped).";
const DELAY: &str = "gigsy_actor_queueing_delay_seconds";
const DELAY_HELP: &str = "How long messages waited in mailboxes, one of 64 sampled.";

impl KindCollector {
    pub fn new(registry: Registry) -> Self {
        let kind = || vec!["kind".to_owned()];
        let outcome = || vec!["kind".to_owned(), "outcome".to_owned()];
        let simple = SIMPLE.iter().map(|(name, help, ..)| (*name, *help, kind()));
        let others = [(OUTCOMES, OUTCOMES_HELP, outcome()), (DELAY, DELAY_HELP, kind())];
        let all = simple.chain(others);
        // The names are constants and valid; an invalid one would be left out, and a test sees it.
        let descriptions = all.filter_map(|(name, help, labels)| {
            Desc::new(name.to_owned(), help.to_owned(), labels, Default::default()).ok()
        });
        Self { registry, descriptions: Arc::new(descriptions.collect()) }
    }
}

impl Collector for KindCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descriptions.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let totals = self.registry.totals();
        let mut families: Vec<_> = SIMPLE
            .iter()
            .map(|(name, help, kind, read)| {
                let metrics = totals.iter().map(|t| number(*kind, read(t), labels(t, None)));
                family(name, help, *kind, metrics.collect())
            })
            .collect();
        let outcomes = totals.iter().flat_map(|t| {
            let tally = t.tally;
            [("handled", tally.handled), ("rejected", tally.rejected), ("dead", tally.dead)]
                .map(|(outcome, count)| number(MetricType::COUNTER, count, labels(t, Some(outcome))))
        });
        families.push(family(OUTCOMES, OUTCOMES_HELP, MetricType::COUNTER, outcomes.collect()));
        let delays = totals.iter().map(|t| {
            let mut metric = Metric::from_label(labels(t, None));
            metric.set_histogram(histogram(&t.kind.delays));
            metric
        });
        families.push(family(DELAY, DELAY_HELP, MetricType::HISTOGRAM, delays.collect()));
        families
    }
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn labels(totals: &KindTotals, outcome: Option<&str>) -> Vec<LabelPair> {
    let pairs = [("kind", Some(totals.kind.name.as_str())), ("outcome", outcome)];
    let pairs = pairs.into_iter().filter_map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.to_owned());
        pair.set_value(value?.to_owned());
        Some(pair)
    });
    pairs.collect()
}

fn number(kind: MetricType, value: u64, labels: Vec<LabelPair>) -> Metric {
    let mut metric = Metric::from_label(labels);
    if kind == MetricType::GAUGE {
        let mut gauge = Gauge::default();
        gauge.set_value(value as f64);
        metric.set_gauge(gauge);
    } else {
        let mut counter = Counter::default();
        counter.set_value(value as f64);
        metric.set_counter(counter);
    }
    metric
}

fn histogram(delays: &TotalDelays) -> Histogram {
    let mut total = 0;
    let mut buckets = Vec::with_capacity(BUCKETS - 1);
    for (index, count) in delays.counts.iter().enumerate() {
        total += count.load(Relaxed);
        // The last one has no bound; the encoder adds `+Inf` by itself.
        if index < BUCKETS - 1 {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(upper_us(index) as f64 / 1e6);
            bucket.set_cumulative_count(total);
            buckets.push(bucket);
        }
    }
    let mut histogram = Histogram::default();
    histogram.set_sample_count(total);
    histogram.set_sample_sum(delays.sum_us.load(Relaxed) as f64 / 1e6);
    histogram.set_bucket(buckets);
    histogram
}
