//! The contract suites, over the embedded adapters and over a real Redis.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use proptest::prelude::*;

use crate::{
    ports::{
        boards::{self, Boards, MemoryBoards, RedisBoards},
        cache::{self, Cache, CacheStore, Life, Loaded, MemoryCache, Plan, RedisCache},
        limits::{self, Ask, MemoryLimits, Rate, RedisLimits},
        locks::{self, LockStore, MemoryLocks, RedisLocks},
    },
    telemetry::metrics::Metrics,
    tests::support::{
        redis::{RedisServer, installed, redis_or_skip},
        skip::skip,
    },
};

#[tokio::test]
async fn memory_keeps_the_contract_of_the_limits() {
    limits::contract::keeps_to_it(Arc::new(MemoryLimits::default()), "x").await;
}

#[tokio::test]
async fn redis_keeps_the_contract_of_the_limits() {
    let server = redis_or_skip!("limits over Redis");
    let limits = Arc::new(RedisLimits::new(server.client("t").await));
    limits::contract::keeps_to_it(limits.clone(), "x").await;
    // Scripts forgotten and keys flushed: the same once more.
    server.command::<()>(&["SCRIPT", "FLUSH"]).await;
    limits::contract::keeps_to_it(limits, "y").await;
    let forever: Vec<String> = keys_without_expiry(&server).await;
    assert!(forever.is_empty(), "{forever:?}");
}

async fn keys_without_expiry(server: &RedisServer) -> Vec<String> {
    let mut found = Vec::new();
    for key in server.command::<Vec<String>>(&["KEYS", "*"]).await {
        if server.command::<i64>(&["PTTL", &key]).await == -1 {
            found.push(key);
        }
    }
    found
}

/// The script and the Rust arithmetic are one algorithm: given the server's time, the model says what
/// the script has said.
#[test]
fn the_script_does_what_the_model_does() {
    let Some(bin) = installed() else {
        skip!(store "the limits' script against its model", "no redis-server")
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(RedisServer::start(&bin, &[]));
    let limits = RedisLimits::new(runtime.block_on(server.client("t")));
    let next = std::sync::atomic::AtomicUsize::new(0);
    proptest!(|(
        burst in 1u32..20, per_us in 1u64..50_000,
        costs in proptest::collection::vec((1u32..4, 0u64..3), 1..30),
    )| {
        let key = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
        let rate = Rate { name: "model", burst, per: Duration::from_micros(per_us) };
        let mut tat = None;
        for (cost, pause) in costs {
            std::thread::sleep(Duration::from_micros(pause * 100));
            let asked = [Ask { rate: &rate, key: &key, cost }];
            let (said, now) = runtime.block_on(limits.take_at(&asked)).unwrap();
            let (want, after) = limits::model(&rate, tat, now, cost);
            // A key that ran out is one whose allowance was whole: the model starts from nothing too.
            prop_assert_eq!(said[0], want);
            tat = after.or(tat);
        }
    });
}

#[tokio::test]
async fn memory_keeps_the_contract_of_the_cache() {
    cache::contract::keeps_to_it(Arc::new(MemoryCache::default()), "x").await;
}

#[tokio::test]
async fn redis_keeps_the_contract_of_the_cache() {
    let server = redis_or_skip!("the cache over Redis");
    let store = Arc::new(RedisCache::new(server.client("t").await));
    cache::contract::keeps_to_it(store.clone(), "x").await;
    let forever = keys_without_expiry(&server).await;
    assert!(forever.is_empty(), "{forever:?}");

    // Tags that were thrown away take their entries along; a flush cannot bring anything back.
    let (tags, life) = (["a".to_owned()], Life { fresh: Duration::from_secs(60), stale: Duration::ZERO });
    let stamp = store.look("k", &tags).await.unwrap().stamp;
    assert!(store.put("k", &tags, &stamp, "old".into(), life).await.unwrap());
    server.command::<i64>(&["DEL", "t:t:a"]).await;
    assert!(store.look("k", &tags).await.unwrap().found.is_none());
    let stamp = store.look("k", &tags).await.unwrap().stamp;
    server.command::<()>(&["FLUSHALL"]).await;
    assert!(!store.put("k", &tags, &stamp, "old".into(), life).await.unwrap());
    assert!(store.look("k", &tags).await.unwrap().found.is_none());
}

#[tokio::test]
async fn memory_is_bounded() {
    let store = MemoryCache::bounded(100_000);
    let life = Life { fresh: Duration::from_secs(60), stale: Duration::ZERO };
    let mut kept = 0;
    for n in 0..1_000 {
        let (key, tags) = (n.to_string(), [n.to_string()]);
        let stamp = store.look(&key, &tags).await.unwrap().stamp;
        store.put(&key, &tags, &stamp, vec![0; 1_000].into(), life).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for n in 0..1_000 {
        kept += usize::from(store.look(&n.to_string(), &[n.to_string()]).await.unwrap().found.is_some());
    }
    assert!(kept <= 110, "{kept} of 1,000");
}

#[tokio::test]
async fn memory_keeps_the_contract_of_the_locks() {
    locks::contract::keeps_to_it(Arc::new(MemoryLocks::new())).await;
}

#[tokio::test]
async fn redis_keeps_the_contract_of_the_locks() {
    let server = redis_or_skip!("locks over Redis");
    let store = Arc::new(RedisLocks::new(server.client("t").await));
    locks::contract::keeps_to_it(store.clone()).await;
    // Tokens grow also past a flush, which takes the counter away.
    let before = store.acquire("f", "a", Duration::from_secs(9)).await.unwrap().unwrap();
    server.command::<()>(&["FLUSHALL"]).await;
    let after = store.acquire("f", "b", Duration::from_secs(9)).await.unwrap().unwrap();
    assert!(after > before, "{after} after {before}");
    assert!(!store.extend("f", "a", Duration::from_secs(9)).await.unwrap());
}

#[test]
fn memory_keeps_the_contract_of_the_boards() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let boards: Arc<dyn Boards> = Arc::new(MemoryBoards::default());
    boards::contract::keeps_to_it(&boards, &runtime, "x");
}

#[test]
fn redis_keeps_the_contract_of_the_boards() {
    let Some(bin) = installed() else { skip!(store "boards over Redis", "no redis-server") };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(RedisServer::start(&bin, &[]));
    let boards: Arc<dyn Boards> = Arc::new(RedisBoards::new(runtime.block_on(server.client("t"))));
    boards::contract::keeps_to_it(&boards, &runtime, "x");
    // Nothing half-made is left, but of those who were refused; and nothing is kept for ever.
    let keys = runtime.block_on(server.command::<Vec<String>>(&["KEYS", "*"]));
    assert!(keys.iter().all(|key| key.matches(':').count() == 2), "{keys:?}");
    let forever = runtime.block_on(keys_without_expiry(&server));
    assert!(forever.is_empty(), "{forever:?}");
}

/// Readers see a whole board at every moment of a rebuild.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_blocks_no_reader_and_is_seen_at_once() {
    let server = redis_or_skip!("a board's rebuild over Redis");
    let boards = Arc::new(RedisBoards::new(server.client("t").await));
    let by = |token: u64| boards::Stamp { token, turn: 0, about: "it".into(), total: 3_000 };
    let rows = |round: i64| -> Vec<boards::Row> {
        let row =
            |n: u32| boards::Row { member: uuid::Uuid::from_u128(n.into()), score: round, reached: n.into() };
        (0..3_000).map(row).collect()
    };
    boards.replace("b", &by(1), &rows(0)).await.unwrap();
    let writer = tokio::spawn({
        let boards = boards.clone();
        async move {
            for round in 1..6 {
                boards.replace("b", &by(1), &rows(round)).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let all = boards::Query::Range { from: 1, limit: 5_000 };
        let seen = boards.view("b", &all).await.unwrap().rows;
        assert_eq!(seen.len(), 3_000);
        assert!(seen.iter().all(|ranked| ranked.row.score == seen[0].row.score), "two boards at once");
    }
    writer.await.unwrap();
    let seven = boards::Query::Among(vec![uuid::Uuid::from_u128(7)]);
    assert_eq!(boards.view("b", &seven).await.unwrap().rows[0].rank, 8);
}

/// Of many who want the same at once, one loads; who asks after a change never gets what was before.
#[tokio::test]
async fn one_loads_for_all_and_nobody_gets_the_past() {
    let server = redis_or_skip!("single flight over Redis");
    let stores: [Arc<dyn CacheStore>; 2] =
        [Arc::new(MemoryCache::default()), Arc::new(RedisCache::new(server.client("t").await))];
    for store in stores {
        let cache = Cache::new(store, &Metrics::new());
        let loads = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let truth = Arc::new(std::sync::atomic::AtomicU64::new(1));
        let read = || {
            let (loads, truth) = (loads.clone(), truth.clone());
            let life = Life { fresh: Duration::from_secs(60), stale: Duration::ZERO };
            let plan = Plan { sort: "test", key: "k".into(), tags: vec!["k".into()], life };
            cache.read(plan, move || async move {
                loads.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let value = truth.load(std::sync::atomic::Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok::<_, std::io::Error>(Loaded { value, keep: true })
            })
        };
        let all = join_all((0..50).map(|_| read())).await;
        assert!(all.into_iter().all(|read| read.unwrap() == 1));
        assert_eq!(loads.load(std::sync::atomic::Ordering::SeqCst), 1);

        // A load from before the change is under way while it happens.
        cache.forget(&["k".to_owned()]).await;
        let (early, late) = tokio::join!(read(), async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            truth.store(2, std::sync::atomic::Ordering::SeqCst);
            cache.forget(&["k".to_owned()]).await;
            read().await.unwrap()
        });
        assert_eq!((early.unwrap(), late), (1, 2));
        assert_eq!(read().await.unwrap(), 2, "a late fill was taken");
    }
}

/// A load that fails wakes those who wait, and one of them tries again.
#[tokio::test]
async fn a_failed_load_keeps_nobody_waiting() {
    let cache = Cache::new(Arc::new(MemoryCache::default()), &Metrics::new());
    let tries = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let read = || {
        let tries = tries.clone();
        let life = Life { fresh: Duration::from_secs(60), stale: Duration::ZERO };
        cache.read(Plan { sort: "test", key: "k".into(), tags: Vec::new(), life }, move || async move {
            let n = tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if n == 0 { Err(std::io::Error::other("test")) } else { Ok(Loaded { value: n, keep: true }) }
        })
    };
    let all = join_all((0..10).map(|_| read())).await;
    assert_eq!(all.iter().filter(|read| read.is_err()).count(), 1);
    assert!(all.into_iter().flatten().all(|n| n == 1));
}

/// Nodes that have a cache each forget together, by whatever carries the word.
#[tokio::test]
async fn caches_of_two_nodes_forget_together() {
    let node = || Cache::new(Arc::new(MemoryCache::default()), &Metrics::new());
    let (a, b) = (node(), node());
    let other = b.clone();
    a.tell_others(move |tags| {
        let told = futures_util::FutureExt::now_or_never(other.forgotten_elsewhere(tags));
        assert!(told.is_some(), "a node's own cache makes nobody wait");
    });
    let read = async |cache: &Cache, value: u64| {
        let life = Life { fresh: Duration::from_secs(60), stale: Duration::ZERO };
        let plan = Plan { sort: "test", key: "k".into(), tags: vec!["t".into()], life };
        cache
            .read(plan, move || async move { Ok::<_, std::io::Error>(Loaded { value, keep: true }) })
            .await
            .unwrap()
    };
    assert_eq!((read(&a, 1).await, read(&b, 1).await, read(&b, 2).await), (1, 1, 1));
    a.forget(&["t".to_owned()]).await;
    assert_eq!((read(&a, 2).await, read(&b, 2).await), (2, 2));
    // Words were missed: nothing of before counts.
    b.forget_everything().await;
    assert_eq!((read(&a, 3).await, read(&b, 3).await), (2, 3));
}

/// A Redis that throws keys away at random, tags and entries alike, costs misses and nothing else.
#[tokio::test]
async fn an_eviction_brings_nobody_the_past() {
    let Some(bin) = installed() else { skip!(store "the cache under eviction", "no redis-server") };
    let server = RedisServer::start(&bin, &["--maxmemory-policy", "allkeys-random"]).await;
    let redis = server.client("t").await;
    let info: String = server.command(&["INFO", "memory"]).await;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().to_owned();
    let bound = used.parse::<u64>().unwrap() + 1_000_000;
    server.command::<()>(&["CONFIG", "SET", "maxmemory", &bound.to_string()]).await;
    let nodes = [0, 1].map(|_| Cache::new(Arc::new(RedisCache::new(redis.clone())), &Metrics::new()));
    let read = async |node: &Cache, thing: usize, truth: u64| {
        let life = Life { fresh: Duration::from_secs(60), stale: Duration::ZERO };
        let plan = Plan { sort: "test", key: format!("k{thing}"), tags: vec![format!("t{thing}")], life };
        let load = move || async move { Ok::<_, std::io::Error>(Loaded { value: truth, keep: true }) };
        node.read(plan, load).await.unwrap()
    };
    let mut truths = [1_u64; 8];
    let mut misses = 0;
    for round in 0..800_usize {
        let thing = round % truths.len();
        // What fills the memory is somebody else's.
        server.command::<()>(&["SET", &format!("other:{round}"), &"x".repeat(2_000)]).await;
        if round % 5 == 0 {
            truths[thing] += 1;
            nodes[round % 2].forget(&[format!("t{thing}")]).await;
        }
        for node in &nodes {
            assert_eq!(read(node, thing, truths[thing]).await, truths[thing], "round {round}");
        }
        // Asked for once more it is there, unless it was thrown away just now; then this is what is kept.
        let again = read(&nodes[0], thing, truths[thing] + 1).await;
        if again != truths[thing] {
            misses += 1;
            truths[thing] = again;
            nodes[1].forget(&[format!("t{thing}")]).await;
        }
    }
    let stats: String = server.command(&["INFO", "stats"]).await;
    assert!(!stats.contains("evicted_keys:0\r"), "nothing was evicted");
    assert!(misses < 700, "the cache was of no use: {misses} misses");
}
