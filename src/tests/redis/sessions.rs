//! Sessions in front of their rows: the same contract, and no ended session ever comes back.

use std::{sync::Arc, time::Duration as Pause};

use bytes::Bytes;
use chrono::Duration;
use futures_util::future::BoxFuture;
use proptest::prelude::*;

use crate::{
    clock::Clock,
    contexts::identity::{
        Email, Session, Store, Token, TokenKind,
        store::{CachedSessions, InsertAccount, PostgresStore, contract},
    },
    ports::cache::{CacheAway, CacheStore, Life, Looked, RedisCache, Stamp},
    principal::{Role, SessionId, UserId},
    tests::support::{
        database::TestDatabase,
        proxy::Proxy,
        redis::{RedisServer, client, installed, redis_or_skip},
        skip::skip,
        wait::eventually,
    },
};

#[tokio::test]
async fn sessions_over_redis_keep_the_contract_of_the_store() {
    let server = redis_or_skip!("sessions over Redis");
    let own = TestDatabase::new();
    let cache = Arc::new(RedisCache::new(server.client("t").await));
    contract::run(Arc::new(CachedSessions::new(PostgresStore::new(own.open().await), cache))).await;
}

/// A cache whose every step takes a while: what lies between a reader's steps can happen there.
struct Slow {
    inner: Arc<dyn CacheStore>,
    look: Pause,
    put: Pause,
}

impl CacheStore for Slow {
    fn look<'a>(&'a self, key: &'a str, tags: &'a [String]) -> BoxFuture<'a, Result<Looked, CacheAway>> {
        Box::pin(async move {
            let looked = self.inner.look(key, tags).await;
            tokio::time::sleep(self.look).await;
            looked
        })
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        tags: &'a [String],
        stamp: &'a Stamp,
        body: Bytes,
        life: Life,
    ) -> BoxFuture<'a, Result<bool, CacheAway>> {
        Box::pin(async move {
            tokio::time::sleep(self.put).await;
            self.inner.put(key, tags, stamp, body, life).await
        })
    }

    fn forget<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, bool> {
        self.inner.forget(tags)
    }

    fn is_shared(&self) -> bool {
        true
    }
}

type Node = CachedSessions<PostgresStore>;

async fn sign_in(store: &dyn Store) -> (UserId, SessionId, Token) {
    let now = Clock::system().now();
    let id = UserId::new();
    let account = crate::contexts::identity::Account {
        id,
        email: Email::parse(&format!("{id}@example.org")).unwrap(),
        email_verified_at: None,
        display_name: "Lina".into(),
        headline: None,
        bio: None,
        time_zone: None,
        roles: vec![Role::Student],
        version: 1,
        created_at: now,
        deletion_due_at: None,
    };
    store.insert_account(&InsertAccount { account, password_hash: Some("proven".into()) }).await.unwrap();
    let token = Token::fresh(TokenKind::Session).unwrap();
    let session = Session {
        id: SessionId::new(),
        user_id: id,
        device: None,
        address: None,
        created_at: now,
        last_seen_at: now,
        expires_at: now + Duration::days(1),
    };
    assert!(store.insert_session(&session, &token.hash(), "proven").await.unwrap());
    (id, session.id, token)
}

async fn admitted(node: &Node, token: &Token) -> bool {
    node.session_by_token(&token.hash(), Clock::system().now()).await.unwrap().is_some()
}

/// Random timings of readers on two nodes, of a revocation, and of a flush: once the revocation has
/// returned, nobody is admitted, however late what was read before is put.
#[test]
fn no_interleaving_brings_an_ended_session_back() {
    let Some(bin) = installed() else { skip!(store "interleavings of sessions", "no redis-server") };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(RedisServer::start(&bin, &[]));
    let own = TestDatabase::new();
    let database = runtime.block_on(own.open());
    let caches: Vec<Arc<dyn CacheStore>> = (0..2)
        .map(|_| Arc::new(RedisCache::new(runtime.block_on(server.client("t")))) as Arc<dyn CacheStore>)
        .collect();
    let server = &server;
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(48);
    proptest!(ProptestConfig::with_cases(cases), |(
        pauses in proptest::collection::vec((0u64..12, 0u64..12), 2),
        starts in proptest::collection::vec((0usize..2, 0u64..15), 1..10),
        end in 0u64..15,
        flush in proptest::option::of(0u64..25),
    )| {
        let nodes: Vec<Arc<Node>> = caches.iter().zip(&pauses).map(|(cache, (look, put))| {
            let slow = Slow { inner: cache.clone(), look: Pause::from_millis(*look), put: Pause::from_millis(*put) };
            Arc::new(CachedSessions::new(PostgresStore::new(database.clone()), Arc::new(slow)))
        }).collect();
        runtime.block_on(async {
            let (user, session, token) = sign_in(&*nodes[0]).await;
            // Node 1 learns whose it is, so that it keeps what it reads.
            prop_assert!(admitted(&nodes[1], &token).await);
            let readers: Vec<_> = starts.iter().map(|(node, start)| {
                let (node, token, start) = (nodes[*node].clone(), token.clone(), *start);
                tokio::spawn(async move {
                    tokio::time::sleep(Pause::from_millis(start)).await;
                    admitted(&node, &token).await
                })
            }).collect();
            let flushing = async {
                if let Some(flush) = flush {
                    tokio::time::sleep(Pause::from_millis(flush)).await;
                    server.command::<()>(&["FLUSHALL"]).await;
                }
            };
            let revoking = async {
                tokio::time::sleep(Pause::from_millis(end)).await;
                assert!(nodes[0].end_session(user, session).await.unwrap());
                let mut seen = Vec::new();
                for _ in 0..6 {
                    for node in &nodes {
                        seen.push(admitted(node, &token).await);
                    }
                    tokio::time::sleep(Pause::from_millis(3)).await;
                }
                seen
            };
            let (seen, ()) = tokio::join!(revoking, flushing);
            prop_assert!(seen.iter().all(|admitted| !admitted), "{seen:?}");
            for reader in readers {
                reader.await.unwrap();
            }
            for node in &nodes {
                prop_assert!(!admitted(node, &token).await, "a late fill was taken");
            }
            Ok(())
        })?;
    });
}

/// The cache is really used; every change of a person is seen at once; a flush costs nobody anything.
#[tokio::test]
async fn what_is_kept_is_used_until_the_person_changes() {
    let server = redis_or_skip!("the use of kept sessions");
    let own = TestDatabase::new();
    let database = own.open().await;
    let rows = || PostgresStore::new(database.clone());
    let cache = || async { Arc::new(RedisCache::new(server.client("t").await)) };
    let (a, b) = (CachedSessions::new(rows(), cache().await), CachedSessions::new(rows(), cache().await));
    let (user, session, token) = sign_in(&a).await;
    for node in [&a, &b, &b] {
        assert!(admitted(node, &token).await);
    }
    // Past the store: only who reads the row can know.
    assert!(rows().end_session(user, session).await.unwrap());
    assert!(admitted(&a, &token).await && admitted(&b, &token).await, "nothing was kept");
    server.command::<()>(&["FLUSHALL"]).await;
    assert!(!admitted(&a, &token).await && !admitted(&b, &token).await);

    let (user, _, token) = sign_in(&a).await;
    for node in [&a, &b, &b] {
        assert!(admitted(node, &token).await);
    }
    a.grant_role(user, Role::Moderator).await.unwrap();
    let (_, account) = b.session_by_token(&token.hash(), Clock::system().now()).await.unwrap().unwrap();
    assert!(account.roles.contains(&Role::Moderator));
    server.command::<()>(&["FLUSHALL"]).await;
    assert!(admitted(&a, &token).await && admitted(&b, &token).await, "a flush has signed somebody out");

    // A session that is due to be touched is read from its row.
    let later = Clock::system().now() + Duration::seconds(61);
    assert!(admitted(&b, &token).await);
    rows()
        .touch_session(
            a.session_by_token(&token.hash(), later).await.unwrap().unwrap().0.id,
            later,
            later + Duration::days(1),
        )
        .await
        .unwrap();
    let (read, _) = b.session_by_token(&token.hash(), later).await.unwrap().unwrap();
    assert_eq!(read.last_seen_at, later);
}

/// A node that ends a session while it cannot reach Redis does not admit it, then or after; and what it
/// owes is paid before it reads Redis again.
#[tokio::test]
async fn what_was_ended_in_a_partition_stays_ended() {
    let server = redis_or_skip!("a partition between a node and Redis");
    let own = TestDatabase::new();
    let database = own.open().await;
    let proxy = Proxy::before(&server.address()).await;
    let through = proxy.base().replace("http://", "redis://");
    let behind = client(&through, "t", Pause::from_millis(300)).await;
    let cut_off =
        CachedSessions::new(PostgresStore::new(database.clone()), Arc::new(RedisCache::new(behind.clone())));
    let near = CachedSessions::new(
        PostgresStore::new(database.clone()),
        Arc::new(RedisCache::new(server.client("t").await)),
    );
    let (user, session, token) = sign_in(&cut_off).await;
    for node in [&near, &near, &cut_off] {
        assert!(admitted(node, &token).await);
    }
    proxy.cut().await;
    assert!(cut_off.end_session(user, session).await.unwrap());
    assert!(!behind.is_up(), "it still reads what it could not forget");
    assert!(!admitted(&cut_off, &token).await);
    proxy.flow();
    eventually("Redis is back", Pause::from_secs(20), || async { behind.is_up().then_some(()) }).await;
    assert!(!admitted(&cut_off, &token).await && !admitted(&near, &token).await);
}
