//! The copies of boards in Redis: invariant 6 once more, over a Redis that loses what it has, goes away and
//! comes back, with two nodes that write.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use uuid::Uuid;

use super::{
    boards::form,
    property::{Deed, deeds, events, sorted},
    world::*,
};
use crate::{
    contexts::gamification::{
        BoardId, Boards, Copied, CopyParts, GameError, PartForm, Poison, SettingsPatch, Window,
    },
    ports::{
        boards::{MemoryBoards, RedisBoards},
        locks::{Locks, MemoryLocks, RedisLocks},
    },
    principal::UserId,
    realtime::Hub,
    tests::support::{
        redis::{RedisServer, client, redis_or_skip},
        wait::eventually,
    },
};

const LIMIT: Duration = Duration::from_secs(60);

/// What a node has of that Redis; each has a client of its own.
async fn node(server: &RedisServer, prefix: &str) -> CopyParts {
    let redis = client(&server.url(), prefix, Duration::from_millis(500)).await;
    CopyParts::new(Arc::new(RedisBoards::new(redis.clone())), Locks::new(Arc::new(RedisLocks::new(redis))))
}

fn in_memory() -> CopyParts {
    CopyParts::new(Arc::new(MemoryBoards::default()), Locks::new(Arc::new(MemoryLocks::new())))
}

/// A part in the words of the model.
type Standings = Vec<(Uuid, i64)>;

async fn copied(boards: &Boards, board: &BoardId, window: Window) -> Option<Standings> {
    let part = boards.of_copy(board, window, 100).await?;
    assert!(part.stale && part.total == part.rows.len());
    let rows = part.rows.iter().enumerate().map(|(n, row)| {
        assert_eq!(row.placed.rank, n + 1);
        (row.placed.standing.user.0, row.placed.standing.score)
    });
    Some(rows.collect())
}

async fn remembered(boards: &Boards, board: &BoardId, window: Window) -> Option<Standings> {
    boards.refresh(board).await.ok()?;
    let part = boards.part(UserId::new(), &form(board, window), PartForm::Top(100)).await.ok()?;
    (!part.stale).then(|| part.items.iter().map(|row| (row.user_id.unwrap().0, row.score)).collect())
}

/// Waits until PostgreSQL, each node's memory and the copy are one and the same.
async fn agree(world: &World, nodes: &[&Boards], all: &[BoardId], said: &str) {
    for board in all {
        for window in Window::ALL {
            let model = sorted(world, board, window).await;
            for (n, boards) in nodes.iter().enumerate() {
                let what = format!("{board} {window:?}: node {n} is the ledger\n{said}");
                eventually(&what, LIMIT, async || {
                    (remembered(boards, board, window).await.as_ref() == Some(&model)).then_some(())
                })
                .await;
                let what = format!("{board} {window:?}: the copy is the ledger {model:?}\n{said}");
                eventually(&what, LIMIT, async || {
                    (copied(boards, board, window).await.as_ref() == Some(&model)).then_some(())
                })
                .await;
            }
        }
    }
}

async fn there(world: &World) -> Vec<BoardId> {
    let mut all = vec![BoardId::Global];
    for skill in ["rust", "sql"] {
        let there = format!("select count(*) as n from gamification.boards where board = 'skill:{skill}'");
        if world.number(&there).await == 1 {
            all.push(BoardId::Skill(skill.into()));
        }
    }
    all
}

/// Points that no rule awards: those that a double cannot tell apart.
async fn endow(world: &World, user: UserId, points: i64, at: chrono::DateTime<chrono::Utc>) {
    let (user, source) = (user.0, Uuid::new_v4());
    world
        .run(&format!(
            "with known as (insert into gamification.members (user_id) values ('{user}') on conflict do nothing)
             select 1"
        ))
        .await
        .unwrap();
    world
        .run(&format!(
            "insert into gamification.ledger (user_id, rule, source, rule_version, points, at)
             values ('{user}', 'endowed', '{source}', 1, {points}, '{}')",
            at.to_rfc3339()
        ))
        .await
        .unwrap();
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    None,
    /// Everything is gone from Redis.
    Flush,
    /// One of a board's keys is gone, as by an eviction.
    Evict(u8),
    /// Redis is killed, and started again empty.
    Restart,
    /// Redis does not answer for a while.
    Cut,
    /// A node's actor crashes.
    Poison(usize),
    /// Far more points than a double can count.
    Huge(usize, i64),
    /// Midnight.
    Midnight,
    /// A node puts its boards away, and another is started.
    Replace(usize),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        12 => Just(Trouble::None),
        1 => Just(Trouble::Flush),
        3 => any::<u8>().prop_map(Trouble::Evict),
        1 => Just(Trouble::Restart),
        1 => Just(Trouble::Cut),
        2 => (0..2usize).prop_map(Trouble::Poison),
        4 => (0..6usize, -2..3i64).prop_map(|(who, n)| Trouble::Huge(who, (1 << 53) + n)),
        1 => Just(Trouble::Midnight),
        1 => (0..2usize).prop_map(Trouble::Replace),
    ]
}

async fn evict(server: &RedisServer, which: u8) {
    let mut keys: Vec<String> = Vec::new();
    for sort in ["b", "m", "w", "k"] {
        keys.extend(server.command::<Vec<String>>(&["KEYS", &format!("c*:{sort}:*")]).await);
    }
    keys.sort();
    if let Some(key) = keys.get(usize::from(which) % keys.len().max(1)) {
        server.command::<i64>(&["DEL", key]).await;
    }
}

#[actix_web::test]
async fn a_board_is_the_ledger_and_so_is_its_copy_whatever_happens_to_redis() {
    let mut server = redis_or_skip!("boards' copies in Redis");
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(4_u32).min(12);
    let mut runner = TestRunner::new(ProptestConfig { cases, ..ProptestConfig::default() });
    let strategy = (deeds(), proptest::collection::vec(trouble(), 25..40));
    for case in 0..cases {
        let (deeds, troubles): (Vec<(Deed, i64)>, _) = strategy.new_tree(&mut runner).unwrap().current();
        let said = format!("{deeds:?}\n{troubles:?}");
        let users: Vec<UserId> = (0..6).map(|_| UserId::new()).collect();
        let gigs: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
        let world = World::new().await;
        let prefix = format!("c{case}");
        let hub = Hub::new();
        let mut nodes = Vec::new();
        for _ in 0..2 {
            nodes.push(world.boards_with(&hub, node(&server, &prefix).await));
        }
        let mut frozen = false;
        let mut events = events(&deeds, &users, &gigs).into_iter();
        for (n, trouble) in troubles.iter().enumerate() {
            if let Some(event) = events.next() {
                world.tell(&event).await;
            }
            if frozen {
                tokio::time::sleep(Duration::from_millis(700)).await;
                server.thaw();
                frozen = false;
            }
            match *trouble {
                Trouble::None => {
                    // Both nodes follow all the time.
                    let _ = remembered(&nodes[n % 2], &BoardId::Global, Window::All).await;
                }
                Trouble::Flush => server.command::<()>(&["FLUSHALL"]).await,
                Trouble::Evict(which) => evict(&server, which).await,
                Trouble::Restart => {
                    server.down();
                    server.up().await;
                }
                Trouble::Cut => {
                    server.freeze();
                    frozen = true;
                }
                Trouble::Poison(which) => {
                    let _ = nodes[which].domain().tell(&BoardId::Global, Poison).await;
                }
                Trouble::Huge(who, points) => endow(&world, users[who], points, noon()).await,
                Trouble::Midnight => world.clock.advance(TimeDelta::hours(13)),
                Trouble::Replace(which) => {
                    nodes[which].domain().stop(Duration::from_secs(2)).await;
                    nodes[which] = world.boards_with(&hub, node(&server, &prefix).await);
                }
            }
        }
        if frozen {
            server.thaw();
        }
        for event in events {
            world.tell(&event).await;
        }
        let all = there(&world).await;
        agree(&world, &[&nodes[0], &nodes[1]], &all, &said).await;
        // Made anew from nothing but the ledger.
        let rebuilt = world.boards(&hub);
        for board in &all {
            for window in Window::ALL {
                let model = sorted(&world, board, window).await;
                assert_eq!(remembered(&rebuilt, board, window).await, Some(model), "{board}\n{said}");
            }
        }
        for boards in nodes.iter().chain([&rebuilt]) {
            boards.domain().stop(Duration::from_secs(2)).await;
        }
    }
}

/// Eviction by Redis itself: it keeps some of everything in a memory that is too small.
#[actix_web::test]
async fn a_copy_that_redis_throws_away_is_made_again_and_never_half_answered() {
    let Some(bin) = crate::tests::support::redis::installed() else {
        crate::tests::support::skip::skip!(store "copies under eviction", "no redis-server")
    };
    let server = RedisServer::start(&bin, &["--maxmemory-policy", "allkeys-random"]).await;
    let world = World::new().await;
    let boards = world.boards_with(&Hub::new(), node(&server, "c").await);
    for n in 0..300 {
        endow(&world, UserId::new(), (1 << 53) + n / 3, noon() - TimeDelta::minutes(n % 7)).await;
    }
    let model: Standings = sorted(&world, &global(), Window::All).await.into_iter().take(100).collect();
    let whole = async || {
        let part = boards.of_copy(&global(), Window::All, 100).await?;
        assert_eq!(part.total, 300, "a part of a copy answered");
        let rows: Standings =
            part.rows.iter().map(|row| (row.placed.standing.user.0, row.placed.standing.score)).collect();
        assert_eq!(rows, model);
        Some(())
    };
    boards.refresh(&global()).await.unwrap();
    eventually("the copy is whole", LIMIT, whole).await;
    let used: String = server.command(&["INFO", "memory"]).await;
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim().to_owned();
    // Filled past its bounds by others: keys are thrown away at random, the copies' among them.
    server
        .command::<()>(&["CONFIG", "SET", "maxmemory", &(used.parse::<u64>().unwrap() + 500_000).to_string()])
        .await;
    for n in 0..400 {
        server.command::<()>(&["SET", &format!("other:{n}"), &"x".repeat(2_000)]).await;
        let _ = whole().await;
    }
    let stats: String = server.command(&["INFO", "stats"]).await;
    assert!(!stats.contains("evicted_keys:0\r"), "nothing was evicted");
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    eventually("the copy is whole again", LIMIT, whole).await;
    boards.domain().stop(Duration::from_secs(2)).await;
}

/// A node whose own board is not made yet answers from the copy, and says so.
#[actix_web::test]
async fn a_node_that_begins_answers_from_the_copy_until_its_own_board_is_made() {
    let world = World::new().await;
    let (parts, hub) = (in_memory(), Hub::new());
    let keeper = world.boards_with(&hub, parts.clone());
    let users: Vec<UserId> = (0..5).map(|_| UserId::new()).collect();
    for (n, user) in users.iter().enumerate() {
        endow(&world, *user, 100 - n as i64, noon()).await;
    }
    keeper.refresh(&global()).await.unwrap();
    eventually("the copy is there", LIMIT, async || copied(&keeper, &global(), Window::All).await).await;
    let hide = SettingsPatch { anonymous: Some(true), ..SettingsPatch::default() };
    world.game.change_settings(users[1], 1, &hide).await.unwrap();

    // The ledger cannot be read: nobody can make a board.
    let mut held = world.database.conn().await.unwrap();
    diesel_async::SimpleAsyncConnection::batch_execute(
        &mut *held,
        "begin; lock table gamification.ledger in access exclusive mode",
    )
    .await
    .unwrap();
    let fresh = world.boards_with(&hub, parts.clone());
    let asked = form(&global(), Window::All);
    let top = fresh.part(users[0], &asked, PartForm::Top(3)).await.unwrap();
    assert!(top.stale && top.total == 5);
    let ids: Vec<_> = top.items.iter().map(|row| row.user_id).collect();
    assert_eq!(ids, [Some(users[0]), None, Some(users[2])], "who does not want to be named is not");
    let around = fresh.part(users[3], &asked, PartForm::Around(1)).await.unwrap();
    assert_eq!((around.rank, around.items.len(), around.stale), (Some(4), 3, true));
    let among = fresh.part(users[4], &asked, PartForm::Among(vec![users[4], users[2]])).await.unwrap();
    assert_eq!(among.items.iter().map(|row| row.rank).collect::<Vec<_>>(), [3, 5]);
    // Somebody who opted out since is on no answer: better none at all.
    let gone = SettingsPatch { opted_out: Some(true), ..SettingsPatch::default() };
    world.game.change_settings(users[4], 1, &gone).await.unwrap();
    let refused = fresh.part(users[0], &asked, PartForm::Top(5)).await;
    assert!(matches!(refused, Err(GameError::Board(_))), "{refused:?}");
    assert!(fresh.part(users[0], &asked, PartForm::Top(3)).await.unwrap().stale);

    diesel_async::SimpleAsyncConnection::batch_execute(&mut *held, "rollback").await.unwrap();
    drop(held);
    eventually("its own board answers", LIMIT, async || {
        let part = fresh.part(users[0], &asked, PartForm::Top(5)).await.ok()?;
        (!part.stale && part.total == 4).then_some(())
    })
    .await;
    for boards in [keeper, fresh] {
        boards.domain().stop(Duration::from_secs(2)).await;
    }
}

/// One node writes; when it is gone another does.
#[actix_web::test]
async fn the_copy_has_one_writer_and_another_takes_over() {
    let server = redis_or_skip!("the writer of a copy");
    let world = World::new().await;
    let hub = Hub::new();
    let one = world.boards_with(&hub, node(&server, "c").await);
    let users: Vec<UserId> = (0..20).map(|_| UserId::new()).collect();
    endow(&world, users[0], 1, noon()).await;
    one.refresh(&global()).await.unwrap();
    eventually("the first writes", LIMIT, async || copied(&one, &global(), Window::All).await).await;
    let two = world.boards_with(&hub, node(&server, "c").await);
    two.refresh(&global()).await.unwrap();
    let token = async || server.command::<String>(&["HGET", "c:w:global@all", "token"]).await;
    let first = token().await;
    for (n, user) in users.iter().enumerate() {
        endow(&world, *user, n as i64 + 5, noon()).await;
        two.refresh(&global()).await.unwrap();
    }
    agree(&world, &[&one, &two], &[BoardId::Global], "two nodes").await;
    assert_eq!(token().await, first, "both wrote");
    one.domain().stop(Duration::from_secs(2)).await;
    endow(&world, users[7], 1_000, noon()).await;
    agree(&world, &[&two], &[BoardId::Global], "the second alone").await;
    assert!(token().await > first);
    two.domain().stop(Duration::from_secs(2)).await;
}

/// A node whose board cannot read the ledger any more leaves the copy to another, whose can.
#[actix_web::test]
async fn a_node_that_does_not_follow_keeps_no_copy() {
    let world = World::new().await;
    let hub = Hub::new();
    let parts = CopyParts { behind: Duration::from_secs(2), ..in_memory() };
    let stuck = world.fragile(&hub, parts.clone());
    let user = UserId::new();
    endow(&world, user, 7, noon()).await;
    stuck.refresh(&global()).await.unwrap();
    eventually("it keeps the copy", LIMIT, async || copied(&stuck, &global(), Window::All).await).await;
    // It crashes once too often, and is not made again.
    for _ in 0..2 {
        let _ = stuck.domain().tell(&global(), Poison).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    endow(&world, user, 5, noon()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let old = copied(&stuck, &global(), Window::All).await;
    assert_eq!(old, Some(vec![(user.0, 7)]), "it follows on");
    let well = world.boards_with(&hub, parts);
    eventually("the other keeps it", LIMIT, async || {
        well.refresh(&global()).await.ok()?;
        (copied(&well, &global(), Window::All).await? == [(user.0, 12)]).then_some(())
    })
    .await;
    for boards in [stuck, well] {
        boards.domain().stop(Duration::from_secs(2)).await;
    }
}

#[actix_web::test]
async fn rebuilding_makes_lost_copies_and_lost_boards_again() {
    let server = redis_or_skip!("gigsy rebuild leaderboards");
    let world = World::new().await;
    let (client, student, gig) = (UserId::new(), UserId::new(), Uuid::now_v7());
    world.tell(&posted(client, gig, &["rust"], days_ago(3))).await;
    world.tell(&completed(client, student, gig, noon())).await;
    world.run("delete from gamification.boards").await.unwrap();
    let parts = node(&server, "c").await;
    let rust = BoardId::Skill("rust".into());

    // Nobody runs: the command writes.
    let done = world.game.rebuild_boards(Some(&parts), &|_| {}).await.unwrap();
    assert_eq!((done.credits, done.noted), (0, 1));
    let found: Vec<_> = done.boards.iter().map(|one| (one.board.clone(), one.people, one.copy)).collect();
    assert_eq!(found, [(BoardId::Global, 2, Copied::Written), (rust.clone(), 1, Copied::Written)]);
    let boards = world.boards_with(&Hub::new(), parts.clone());
    assert_eq!(copied(&boards, &rust, Window::All).await, Some(vec![(student.0, 150)]));

    // A node keeps it: it is told, reads again, and writes what was lost.
    agree(&world, &[&boards], &[BoardId::Global, rust.clone()], "before").await;
    let version = async || {
        let part = boards.part(client, &form(&BoardId::Global, Window::All), PartForm::Top(1)).await;
        part.unwrap().version
    };
    let before = version().await;
    server.command::<i64>(&["DEL", "c:b:global@all", "c:m:global@all", "c:w:global@all"]).await;
    let done = world.game.rebuild_boards(Some(&parts), &|_| {}).await.unwrap();
    assert!(done.boards.iter().all(|one| one.copy == Copied::Kept), "{done:?}");
    eventually("the board is read again", LIMIT, async || (version().await > before).then_some(())).await;
    agree(&world, &[&boards], &[BoardId::Global, rust], "after").await;
    assert_eq!(world.game.rebuild_boards(None, &|_| {}).await.unwrap().boards[0].copy, Copied::No);
    boards.domain().stop(Duration::from_secs(2)).await;
}
