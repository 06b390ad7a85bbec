//! A database that fails one worker in the middle of the others' work.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use diesel_async::AsyncPgConnection;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::world::{World, thing};
use crate::{
    actors::Registry,
    events::{AfterCommit, ConsumeError, Consumer, Envelope, Events, Parts},
    postgres::DbError,
    telemetry::metrics::Metrics,
};

/// Takes its time; of `away` it says once that the database is away, while others are at work.
#[derive(Default)]
struct Uneven {
    begun: AtomicUsize,
    finished: AtomicUsize,
    was_away: AtomicBool,
}

impl Consumer for Uneven {
    fn name(&self) -> &'static str {
        "testing.uneven"
    }

    fn subjects(&self) -> &'static [&'static str] {
        &["thing.changed"]
    }

    fn shares_transactions(&self) -> bool {
        false
    }

    fn handle<'a>(
        &'a self,
        _: &'a mut AsyncPgConnection,
        event: &'a Envelope,
    ) -> BoxFuture<'a, Result<AfterCommit, ConsumeError>> {
        Box::pin(async move {
            if event.aggregate == "away" && !self.was_away.swap(true, SeqCst) {
                for _ in 0..200 {
                    if self.begun.load(SeqCst) > self.finished.load(SeqCst) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                return Err(ConsumeError::Db(DbError::Unavailable("as told".into())));
            }
            self.begun.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_millis(300)).await;
            self.finished.fetch_add(1, SeqCst);
            Ok(AfterCommit::nothing())
        })
    }
}

#[actix_web::test]
async fn a_worker_that_loses_the_database_stops_no_other_in_the_middle() {
    let world = World::new(None).await;
    let uneven = Arc::new(Uneven::default());
    let consumers: Vec<Arc<dyn Consumer>> = vec![uneven.clone()];
    let parts = Parts { database: world.database.clone(), nats: None, consumers, settings: world.settings };
    let aggregates = ["a", "b", "away", "c"];
    let events = Events::start(parts, &Metrics::new(), &Registry::new()).await.unwrap();
    world.record(aggregates.map(|one| thing("thing.changed", one, 1, json!({}))).into()).await;
    world.quiet().await;
    assert_eq!((uneven.begun.load(SeqCst), uneven.finished.load(SeqCst)), (4, 4), "none was begun twice");
    let tries = "platform.inbox where consumer = 'testing.uneven' and attempts <> 1";
    assert_eq!(world.count(tries).await, 0, "an attempt without the database does not count");
    events.stop(Duration::from_secs(10)).await;
}
