//! Invariants 3, 4 and 6 of the domain: events that come twice, late and in another order, crashes and
//! turns of windows; what is in the ledger, on the boards, and what a rebuild would make of it.

use std::{collections::BTreeMap, time::Duration};

use chrono::TimeDelta;
use diesel::{
    QueryableByName,
    sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::RunQueryDsl;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::json;
use uuid::Uuid;

use super::{boards::form, world::*};
use crate::{
    contexts::gamification::{BoardId, Boards, PartForm, Poison, Window, level},
    events::Envelope,
    principal::UserId,
    realtime::Hub,
    tests::support::wait::eventually,
};

#[derive(Clone, Debug)]
pub enum Deed {
    Registered(usize),
    Posted(usize, usize),
    Completed(usize, usize, usize),
    Reviewed(usize, usize, i64),
    Wrote(usize),
}

pub fn deeds() -> impl Strategy<Value = Vec<(Deed, i64)>> {
    let who = 0..6usize;
    let deed = prop_oneof![
        who.clone().prop_map(Deed::Registered),
        (who.clone(), 0..5usize).prop_map(|(a, g)| Deed::Posted(a, g)),
        (who.clone(), who.clone(), 0..5usize).prop_map(|(a, b, g)| Deed::Completed(a, b, g)),
        (who.clone(), who.clone(), 1..=5i64).prop_map(|(a, b, stars)| Deed::Reviewed(a, b, stars)),
        who.prop_map(Deed::Wrote),
    ];
    // Minutes before noon: today, this week, this month and before.
    let when = prop_oneof![0..700i64, 0..4_000i64, 0..60_000i64];
    proptest::collection::vec((deed, when), 1..40)
}

pub fn events(deeds: &[(Deed, i64)], users: &[UserId], gigs: &[Uuid]) -> Vec<Envelope> {
    // Somebody registers once, and a gig is posted once: such a step has one time.
    let mut once = std::collections::BTreeSet::new();
    deeds
        .iter()
        .filter(|(deed, _)| match *deed {
            Deed::Registered(a) => once.insert((a, None)),
            Deed::Posted(_, g) => once.insert((0, Some(g))),
            _ => true,
        })
        .map(|(deed, minutes)| {
            let at = noon() - TimeDelta::minutes(*minutes);
            match *deed {
                Deed::Registered(a) => registered(users[a], at),
                Deed::Posted(a, g) => posted(users[a], gigs[g], &[["rust", "sql"][g % 2]], at),
                Deed::Completed(a, b, g) => completed(users[a], users[b], gigs[g], at),
                Deed::Reviewed(a, b, stars) => reviewed(users[a], users[b], stars, at),
                Deed::Wrote(a) => event("message.sent", at, json!({ "sender_id": users[a] })),
            }
        })
        .collect()
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    user_id: Uuid,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    points: i64,
}

type Sums = BTreeMap<(String, Uuid), i64>;

/// What must not depend on order or repetition: points by day and rule, by skill, totals, levels, badges, days.
async fn outcome(world: &World) -> Sums {
    let mut all = Sums::new();
    for query in [
        "select user_id, 'rule/' || rule || (at at time zone 'UTC')::date as name, sum(points)::bigint as points
         from gamification.ledger group by 1, 2",
        "select user_id, 'skill/' || skill || (at at time zone 'UTC')::date as name, sum(points)::bigint as points
         from gamification.credits group by 1, 2",
        "select user_id, 'total' as name, total as points from gamification.members",
        "select user_id, 'level' as name, level::bigint as points from gamification.members",
        "select user_id, 'streak' as name, longest_streak::bigint as points from gamification.members",
        "select user_id, 'badge/' || badge || tier || n as name, 1::bigint as points from gamification.badge_awards
         where revoked_at is null",
    ] {
        let mut conn = world.database.conn().await.unwrap();
        let rows: Vec<Row> = diesel::sql_query(query).load(&mut conn).await.unwrap();
        all.extend(rows.into_iter().map(|row| ((row.name, row.user_id), row.points)));
    }
    all
}

/// A board as PostgreSQL sorts it.
pub async fn sorted(world: &World, board: &BoardId, window: Window) -> Vec<(Uuid, i64)> {
    #[derive(QueryableByName)]
    struct Standing {
        #[diesel(sql_type = SqlUuid)]
        user_id: Uuid,
        #[diesel(sql_type = BigInt)]
        points: i64,
    }
    let span = window.span(world.clock.clock().now(), chrono_tz::Tz::UTC);
    let (from, to) = (span.from.unwrap_or(days_ago(10_000)), span.to.unwrap_or(days_ago(-10_000)));
    let source = match board {
        BoardId::Skill(slug) => format!("credits where skill = '{slug}' and"),
        _ => "ledger where".to_owned(),
    };
    let mut conn = world.database.conn().await.unwrap();
    let rows: Vec<Standing> = diesel::sql_query(format!(
        "select user_id, sum(points)::bigint as points from gamification.{source} at >= $1 and at < $2
         group by user_id having sum(points) > 0 order by 2 desc, max(at), user_id"
    ))
    .bind::<Timestamptz, _>(from)
    .bind::<Timestamptz, _>(to)
    .load(&mut conn)
    .await
    .unwrap();
    rows.into_iter().map(|row| (row.user_id, row.points)).collect()
}

async fn check_boards(world: &World, boards: &Boards, users: &[UserId]) -> Result<(), TestCaseError> {
    let mut all = vec![BoardId::Global];
    for skill in ["rust", "sql"] {
        let there = format!("select count(*) as n from gamification.boards where board = 'skill:{skill}'");
        if world.number(&there).await == 1 {
            all.push(BoardId::Skill(skill.into()));
        }
    }
    for board in &all {
        boards.refresh(board).await.map_err(|e| TestCaseError::fail(e.to_string()))?;
        for window in Window::ALL {
            let model = sorted(world, board, window).await;
            let part = boards.part(users[0], &form(board, window), PartForm::Top(100)).await.unwrap();
            prop_assert!(!part.stale);
            let found: Vec<_> = part.items.iter().map(|row| (row.user_id.unwrap().0, row.score)).collect();
            prop_assert_eq!(&found, &model, "{} {:?}", board, window);
            prop_assert!(part.items.iter().enumerate().all(|(n, row)| row.rank == n + 1));
            for (n, (user, _)) in model.iter().enumerate() {
                let around =
                    boards.part(UserId(*user), &form(board, window), PartForm::Around(1)).await.unwrap();
                prop_assert_eq!(around.rank, Some(n + 1));
                let slice: Vec<_> = around.items.iter().map(|row| row.user_id.unwrap().0).collect();
                let expected: Vec<_> =
                    model[n.saturating_sub(1)..(n + 2).min(model.len())].iter().map(|m| m.0).collect();
                prop_assert_eq!(slice, expected);
            }
        }
    }
    Ok(())
}

/// Tells the same in another order, some of it twice, with boards that look, crash and turn meanwhile.
async fn disturbed(
    world: &World,
    boards: &Boards,
    events: &[Envelope],
    order: &[(prop::sample::Index, u8)],
    users: &[UserId],
) -> Result<(), TestCaseError> {
    let mut left: Vec<&Envelope> = events.iter().collect();
    let mut moves = order.iter().cycle();
    while !left.is_empty() {
        let Some((index, what)) = moves.next() else { break };
        let at = index.index(left.len());
        world.tell(left[at]).await;
        match what % 8 {
            // Again later.
            0 => continue,
            1 => check_boards(world, boards, users).await?,
            2 => {
                let _ = boards.domain().tell(&BoardId::Global, Poison).await;
            }
            3 => {
                world.tell(left[at]).await;
            }
            _ => {}
        }
        left.swap_remove(at);
    }
    for event in left {
        world.tell(event).await;
    }
    Ok(())
}

#[actix_web::test]
async fn order_and_repetition_do_not_matter_and_boards_are_the_ledger() {
    let config = ProptestConfig { cases: 12, ..ProptestConfig::default() };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(config.cases);
    let mut runner = TestRunner::new(config);
    let strategy = (deeds(), proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 40..80));
    for _ in 0..cases {
        let (deeds, order) = strategy.new_tree(&mut runner).unwrap().current();
        let users: Vec<UserId> = (0..6).map(|_| UserId::new()).collect();
        let gigs: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
        let events = events(&deeds, &users, &gigs);

        let plain = World::new().await;
        // As they happened, each once.
        let mut in_time: Vec<&Envelope> = events.iter().collect();
        in_time.sort_by_key(|event| event.time);
        for event in in_time {
            plain.tell(event).await;
        }
        let expected = outcome(&plain).await;

        let world = World::new().await;
        let boards = world.boards(&Hub::new());
        let told = disturbed(&world, &boards, &events, &order, &users).await;
        let found = outcome(&world).await;
        let said = format!("{deeds:?}\n{order:?}");
        told.unwrap_or_else(|e| panic!("{e}\n{said}"));
        assert_eq!(found, expected, "{said}");
        for user in &users {
            let total = found.get(&("total".into(), user.0)).copied().unwrap_or(0);
            let of_level = found.get(&("level".into(), user.0)).copied().unwrap_or(1);
            assert_eq!(of_level, i64::from(level(total)), "{said}");
        }
        eventually("the board is up", Duration::from_secs(10), async || {
            boards.refresh(&BoardId::Global).await.ok()
        })
        .await;
        check_boards(&world, &boards, &users).await.unwrap_or_else(|e| panic!("{e}\n{said}"));
        // The next day, and the next month.
        for days in [1, 20] {
            world.clock.advance(TimeDelta::days(days));
            eventually("windows turned", Duration::from_secs(10), async || {
                check_boards(&world, &boards, &users).await.ok()
            })
            .await;
        }
        // A rebuild finds nothing to set right.
        let rebuilt = world.game.rebuild_xp(true, &|_, _| {}).await.unwrap();
        assert!(rebuilt.changes.is_empty() && rebuilt.badges == 0, "{:?}\n{said}", rebuilt.changes);
        boards.domain().stop(Duration::from_secs(2)).await;
    }
}
