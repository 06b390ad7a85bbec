//! What every adapter of the locks keeps to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{LockStore, Locks};

/// Runs the suite; on Redis, once for each prefix.
pub(crate) async fn keeps_to_it(store: Arc<dyn LockStore>) {
    only_the_owner_extends_and_releases(&*store).await;
    a_lease_that_nobody_extends_ends(&*store).await;
    tokens_only_grow(&*store).await;
    the_watchdog_keeps_a_lock_past_its_life(&store).await;
    a_dropped_lease_is_given_back(&store).await;
    a_stolen_lease_is_told_and_stops_the_work(&store).await;
    never_two_at_once(&store).await;
}

const LIFE: Duration = Duration::from_secs(30);

async fn only_the_owner_extends_and_releases(store: &dyn LockStore) {
    assert!(store.acquire("own", "a", LIFE).await.unwrap().is_some());
    assert_eq!(store.acquire("own", "b", LIFE).await.unwrap(), None);
    assert_eq!(store.acquire("own", "a", LIFE).await.unwrap(), None, "not even twice by one owner");
    assert!(!store.extend("own", "b", LIFE).await.unwrap());
    assert!(!store.release("own", "b").await.unwrap());
    assert!(store.extend("own", "a", LIFE).await.unwrap());
    assert!(store.release("own", "a").await.unwrap());
    assert!(!store.release("own", "a").await.unwrap());
    assert!(!store.extend("own", "a", LIFE).await.unwrap());
    assert!(store.acquire("own", "b", LIFE).await.unwrap().is_some());
}

async fn a_lease_that_nobody_extends_ends(store: &dyn LockStore) {
    assert!(store.acquire("ends", "a", Duration::from_millis(30)).await.unwrap().is_some());
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(store.acquire("ends", "b", LIFE).await.unwrap().is_some());
    assert!(!store.extend("ends", "a", LIFE).await.unwrap());
    assert!(!store.release("ends", "a").await.unwrap(), "released another's lock");
    assert_eq!(store.acquire("ends", "c", LIFE).await.unwrap(), None);
}

async fn tokens_only_grow(store: &dyn LockStore) {
    let mut last = 0;
    for n in 0..20 {
        let owner = n.to_string();
        let token = store.acquire("grows", &owner, LIFE).await.unwrap().unwrap();
        assert!(token > last, "{token} after {last}");
        last = token;
        store.release("grows", &owner).await.unwrap();
    }
}

async fn the_watchdog_keeps_a_lock_past_its_life(store: &Arc<dyn LockStore>) {
    let locks = Locks::new(store.clone());
    let lease = locks.try_lock("kept", Duration::from_millis(600)).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert!(lease.is_held());
    assert!(locks.try_lock("kept", LIFE).await.unwrap().is_none());
    assert_eq!(lease.guard(async { 7 }).await, Ok(7));
    assert!(lease.release().await);
    assert!(locks.try_lock("kept", LIFE).await.unwrap().unwrap().release().await);
}

async fn a_dropped_lease_is_given_back(store: &Arc<dyn LockStore>) {
    let locks = Locks::new(store.clone());
    drop(locks.try_lock("dropped", LIFE).await.unwrap().unwrap());
    for _ in 0..200 {
        if locks.try_lock("dropped", LIFE).await.unwrap().is_some() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a dropped lease was not given back");
}

async fn a_stolen_lease_is_told_and_stops_the_work(store: &Arc<dyn LockStore>) {
    /// Lets nobody extend: as if the lock had run out and gone to another.
    struct Stolen(Arc<dyn LockStore>);
    impl LockStore for Stolen {
        fn acquire<'a>(
            &'a self,
            name: &'a str,
            owner: &'a str,
            life: Duration,
        ) -> futures_util::future::BoxFuture<'a, Result<Option<u64>, super::LocksAway>> {
            self.0.acquire(name, owner, life)
        }
        fn extend<'a>(
            &'a self,
            name: &'a str,
            _: &'a str,
            life: Duration,
        ) -> futures_util::future::BoxFuture<'a, Result<bool, super::LocksAway>> {
            self.0.extend(name, "nobody", life)
        }
        fn release<'a>(
            &'a self,
            name: &'a str,
            owner: &'a str,
        ) -> futures_util::future::BoxFuture<'a, Result<bool, super::LocksAway>> {
            self.0.release(name, owner)
        }
    }
    let locks = Locks::new(Arc::new(Stolen(store.clone())));
    let lease = locks.try_lock("stolen", Duration::from_millis(300)).await.unwrap().unwrap();
    let work = lease.guard(std::future::pending::<()>());
    let told = tokio::time::timeout(Duration::from_secs(10), work).await.expect("it was told");
    assert!(told.is_err() && !lease.is_held());
    assert!(!lease.release().await);
}

async fn never_two_at_once(store: &Arc<dyn LockStore>) {
    let (inside, turns) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (locks, inside, turns) = (Locks::new(store.clone()), inside.clone(), turns.clone());
            tokio::spawn(async move {
                while turns.load(Ordering::SeqCst) < 40 {
                    if let Some(lease) = locks.try_lock("one", LIFE).await.unwrap() {
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        turns.fetch_add(1, Ordering::SeqCst);
                        lease.release().await;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
