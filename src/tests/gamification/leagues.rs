//! Weekly leagues.

use chrono::TimeDelta;
use uuid::Uuid;

use super::world::*;
use crate::principal::UserId;

/// Everybody is in exactly one group of the week, no group is over-full, sizes agree.
async fn conserved(world: &World, week: &str, people: i64) {
    let q = |text: &str| format!("select count(*) as n from gamification.{text}");
    let members = q(&format!("league_members where week = '{week}'"));
    assert_eq!(world.number(&members).await, people);
    let wrong = q(
        "league_groups g where size <> (select count(*) from gamification.league_members m where m.group_id = g.id) \
                   or size > 30",
    );
    assert_eq!(world.number(&wrong).await, 0);
}

#[actix_web::test]
async fn a_league_closes_once_while_updates_pour_in_and_places_everybody() {
    let world = World::new().await;
    let users: Vec<UserId> = (0..70).map(|_| UserId::new()).collect();
    for (n, user) in users.iter().enumerate() {
        for m in 0..=(n % 4) {
            let at = noon() - TimeDelta::minutes((n * 5 + m) as i64);
            world.tell(&posted(*user, Uuid::now_v7(), &[], at)).await;
        }
    }
    conserved(&world, "2026-11-16", 70).await;
    let groups = "select count(*) as n from gamification.league_groups";
    assert_eq!(world.number(groups).await, 3, "thirty, thirty, ten");
    let own = world.game.league_of(users[3]).await.unwrap();
    assert_eq!((own.items.len(), own.tier, own.closed), (30, 1, false));
    assert!(own.items.windows(2).all(|two| two[0].score >= two[1].score));
    assert_eq!(own.items.iter().filter(|row| row.outcome == "promoted").count(), 7);
    assert!(!world.game.close_due_league().await.unwrap(), "the week is not over");

    // The next Monday: closers on several nodes, people who earn on, and one who lets a week be closed.
    world.clock.advance(TimeDelta::days(5));
    let monday = noon() + TimeDelta::days(5);
    let closing = async || {
        let mut closed = 0;
        while world.game.close_due_league().await.unwrap() {
            closed += 1;
        }
        closed
    };
    let earning = async |part: &[UserId]| {
        for user in part {
            world.tell(&posted(*user, Uuid::now_v7(), &[], monday)).await;
            // And news of last week that come late.
            world.tell(&posted(*user, Uuid::now_v7(), &[], noon())).await;
        }
    };
    tokio::join!(closing(), closing(), earning(&users[..35]), earning(&users[35..]));
    while world.game.close_due_league().await.unwrap() {}
    let told = "select count(distinct (envelope->'data'->>'user_id')) as n from platform.outbox \
                where subject = 'league.closed'";
    assert_eq!(world.number(told).await, 70);
    assert_eq!(world.number(&told.replace("distinct", "")).await, 70, "each once");
    let unplaced =
        "select count(*) as n from gamification.league_members where week = '2026-11-16' and rank is null";
    assert_eq!(world.number(unplaced).await, 0);
    let ranks = "select count(*) as n from (select group_id from gamification.league_members where week = '2026-11-16' \
                 group by group_id having max(rank) <> count(*) or count(distinct rank) <> count(*)) wrong";
    assert_eq!(world.number(ranks).await, 0, "ranks are 1 to n in every group");
    let up = world
        .number("select count(*) as n from gamification.league_members where outcome = 'promoted'")
        .await;
    assert_eq!(up, 7 + 7 + 2);
    conserved(&world, "2026-11-23", 70).await;
    let risen = "select count(*) as n from gamification.league_members m join gamification.league_groups g on g.id = m.group_id \
                 where m.week = '2026-11-23' and g.tier = 2";
    assert_eq!(world.number(risen).await, up, "everybody begins in the tier that the week before gave them");

    // A week without points: the league is over, the tier stays.
    world.clock.advance(TimeDelta::days(14));
    world.work().await;
    let last = world.game.league_of(users[0]).await.unwrap();
    assert!(last.closed && last.week.is_some_and(|week| week.to_string() == "2026-11-23"));
    assert_eq!(
        world.number("select count(*) as n from gamification.league_groups where closed_at is null").await,
        0
    );
}
