//! What operators and Prometheus see.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;

use super::subject::*;
use crate::{
    actors::{Behavior, DomainConfig, Filter, RestartError, Sort},
    telemetry::{
        correlation::{self, CorrelationId},
        metrics::Metrics,
    },
};

#[actix_web::test]
async fn the_observed_state_follows_without_asking_the_actor() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    assert_eq!(bench.report("a").unwrap().state["sum"], 0, "taken at the start");
    actor.ask(Add(5), SOON).await.unwrap();
    until("the change shows", || bench.report("a").unwrap().state["sum"] == 5).await;
    // Stuck from here on, and still visible.
    let until_let_go = Arc::new(Notify::new());
    let blocked = actor.ask_now(Block(until_let_go.clone())).unwrap();
    for _ in 0..3 {
        actor.tell(Add(1)).unwrap();
    }
    pause(20).await;
    let report = bench.report("a").unwrap();
    assert_eq!((report.depth, report.unanswered), (3, 1));
    assert_eq!(report.state["volatile"], 5);
    until_let_go.notify_one();
    blocked.await.unwrap();
    until("served", || bench.report("a").unwrap().depth == 0).await;
    actor.ask(Poison, SOON).await.unwrap_err();
    until("a rebuild shows at once", || bench.report("a").unwrap().state["incarnation"] == 2).await;
    assert_eq!(bench.report("a").unwrap().state["volatile"], 0);
}

#[actix_web::test]
async fn lists_are_filtered_sorted_and_cut() {
    let bench = bench(config());
    for (id, adds) in [("one", 1), ("two", 2), ("three", 3)] {
        for _ in 0..adds {
            bench.domain.ask(&id.to_owned(), Add(1), SOON).await.unwrap();
        }
    }
    let list = |filter: Filter| -> Vec<String> {
        bench.registry.actors(&filter).into_iter().map(|report| report.id).collect()
    };
    assert_eq!(list(Filter::default()), ["one", "three", "two", "ledger"]);
    let ledgers = Filter { kind: Some(Ledger::KIND.to_owned()), ..Filter::default() };
    assert_eq!(list(Filter { sort: Sort::Handled, ..ledgers.clone() }), ["three", "two", "one"]);
    assert_eq!(list(Filter { sort: Sort::Handled, limit: 1, ..ledgers.clone() }), ["three"]);
    assert_eq!(list(Filter { text: Some("t".into()), ..ledgers }), ["three", "two"]);
    assert_eq!(list(Filter { text: Some("superv".into()), ..Filter::default() }), ["ledger"]);
    assert_eq!(list(Filter { kind: Some("nothing".into()), ..Filter::default() }), [""; 0]);
    bench.domain.restart(&"two".to_owned()).unwrap();
    until("restarted", || bench.report("two").unwrap().restarts == 1).await;
    assert_eq!(list(Filter { sort: Sort::Restarts, limit: 1, ..Filter::default() }), ["two"]);
    assert_eq!(bench.registry.restart("ledger", "four"), Err(RestartError::NotFound));
    assert_eq!(bench.registry.restart("x", "two"), Err(RestartError::NotFound));
}

#[actix_web::test]
async fn the_supervisor_is_an_actor_like_any_other() {
    let bench = bench(config());
    bench.actor("a").await;
    until("it counts", || bench.supervisor().state["actors"] == 1).await;
    let kept = bench.actor("a").await;
    bench.registry.restart("ledger_supervisor", "ledger").unwrap();
    until("restarted", || bench.supervisor().restarts == 1).await;
    assert_eq!(bench.domain.live(&"a".to_owned()).unwrap().ask(Add(1), SOON).await, Ok(1));
    assert!(!kept.is_closed(), "its actors do not notice");
    assert_eq!(bench.domain.ask(&"b".into(), Add(1), SOON).await, Ok(1));
    assert_eq!(bench.domain.stop(SOON).await.drained, 2);
}

#[actix_web::test]
async fn the_correlation_id_travels_with_the_message() {
    let bench = bench(config());
    let id = CorrelationId::fresh();
    let text = Some(id.to_string());
    let domain = bench.domain.clone();
    let got = correlation::scope(id, async move { domain.ask(&"a".into(), Correlations, SOON).await }).await;
    assert_eq!(got.unwrap(), [text.clone(), text.clone(), text]);
    let none = bench.domain.ask(&"a".into(), Correlations, SOON).await.unwrap();
    assert_eq!(none, [None, None, None], "and does not stick");
}

#[actix_web::test]
async fn metrics_are_per_kind_and_never_fall() {
    let bench = bench(DomainConfig { capacity: 1, ..config() });
    let metrics = Metrics::new();
    bench.registry.register_metrics(&metrics);
    let value = |line: &str| -> f64 {
        let text = String::from_utf8(metrics.render()).unwrap();
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or_else(|| panic!("no {line} in\n{text}"))
    };
    let handled = r#"gigsy_actor_messages_total{kind="ledger",outcome="handled"}"#;
    for (round, id) in ["a", "b", "c"].into_iter().enumerate() {
        let actor = bench.actor(id).await;
        actor.ask(Add(1), SOON).await.unwrap();
        actor.ask(Poison, SOON).await.unwrap_err();
        actor.tell(Add(1)).unwrap();
        actor.tell(Add(1)).unwrap_err();
        until("handled", || bench.report(id).unwrap().handled == 3).await;
        bench.domain.passivate(&id.to_owned()).unwrap();
        drop(actor);
        until("gone", || bench.report(id).is_none()).await;
        assert_eq!(value(handled), 3.0 * (round as f64 + 1.0), "what is gone still counts");
    }
    assert_eq!(value(r#"gigsy_actor_messages_total{kind="ledger",outcome="rejected"}"#), 3.0);
    assert_eq!(value(r#"gigsy_actor_messages_enqueued_total{kind="ledger"}"#), 9.0);
    assert_eq!(value(r#"gigsy_actor_restarts_total{kind="ledger"}"#), 3.0);
    assert_eq!(value(r#"gigsy_actor_crashes_total{kind="ledger"}"#), 3.0);
    assert_eq!(value(r#"gigsy_actors_passivated_total{kind="ledger"}"#), 3.0);
    assert_eq!(value(r#"gigsy_actors_started_total{kind="ledger"}"#), 3.0);
    assert_eq!(value(r#"gigsy_actors_live{kind="ledger"}"#), 0.0);
    assert_eq!(value(r#"gigsy_actors_live{kind="ledger_supervisor"}"#), 1.0);
    assert_eq!(value(r#"gigsy_actor_queueing_delay_seconds_count{kind="ledger"}"#), 3.0);
    let text = String::from_utf8(metrics.render()).unwrap();
    assert!(!text.contains(r#"id=""#), "never a label of an id");
}

#[actix_web::test]
async fn the_queueing_delay_is_sampled() {
    let bench = bench(config());
    let actor = bench.actor("a").await;
    // The first of 64 is sampled; it waits behind nothing, the 65th behind a hog.
    for _ in 0..63 {
        actor.tell(Add(1)).unwrap();
    }
    actor.ask(Add(1), SOON).await.unwrap();
    actor.tell(Hog(Duration::from_millis(0))).unwrap();
    let report = bench.report("a").unwrap();
    assert!(report.delay_p50_us.is_some());
    let blocked = actor.ask_now(Hog(Duration::from_millis(12))).unwrap();
    for _ in 0..64 {
        actor.tell(Add(1)).unwrap();
    }
    blocked.await.unwrap();
    actor.ask(Add(1), SOON).await.unwrap();
    let p99 = bench.report("a").unwrap().delay_p99_us.unwrap();
    assert!(p99 >= 8_192, "{p99}: one waited 12 ms");
}
