//! Points, levels, badges and streaks, from events.

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use serde_json::json;
use uuid::Uuid;

use super::world::*;
use crate::{
    contexts::gamification::{RuleSet, SettingsPatch, level},
    principal::UserId,
};

async fn badges(world: &World, user: UserId) -> Vec<(String, &'static str, i32)> {
    let all = world.game.badges_of(user).await.unwrap();
    all.into_iter().map(|award| (award.badge, award.tier.as_str(), award.n)).collect()
}

#[actix_web::test]
async fn what_happens_is_worth_what_the_rules_say_once() {
    let world = World::new().await;
    let (client, student, gig) = (UserId::new(), UserId::new(), Uuid::now_v7());
    let done = completed(client, student, gig, noon());
    for event in [
        registered(client, days_ago(3)),
        registered(student, days_ago(2)),
        posted(client, gig, &["rust", "sql"], days_ago(1)),
        done.clone(),
        reviewed(client, student, 5, noon()),
        event(
            "milestone.released",
            noon(),
            json!({ "milestone_id": Uuid::now_v7(), "client_id": client,
            "student_id": student, "gig_id": gig, "amount": { "amount_minor": 5_000, "currency": "EUR" } }),
        ),
    ] {
        world.tell(&event).await;
        world.tell(&event).await;
    }
    // Another event of the same contract is the same fact.
    world.tell(&crate::events::Envelope { id: Uuid::now_v7(), ..done }).await;

    assert_eq!(world.total(student).await, 10 + 150 + 25 + 60);
    assert_eq!(world.total(client).await, 10 + 20 + 60 + 10 + 15);
    let game = world.game.game_of(student).await.unwrap();
    assert_eq!((game.level, level(245)), (2, 2));
    let (page, next) = world.game.xp_of(student, 3, None).await.unwrap();
    assert_eq!(page.len(), 3);
    assert!(page.windows(2).all(|two| two[0].seq > two[1].seq));
    let (rest, end) = world.game.xp_of(student, 3, next.as_deref()).await.unwrap();
    assert_eq!((rest.len(), end), (1, None));
    assert!(world.game.xp_of(client, 3, next.as_deref()).await.is_err(), "another's cursor");

    // The sums are the ledger's, and the events are those of its entries.
    let wrong = "select count(*) as n from gamification.members m where total <> \
                 (select coalesce(sum(points), 0) from gamification.ledger l where l.user_id = m.user_id)";
    assert_eq!(world.number(wrong).await, 0);
    let told = "select count(*) as n from platform.outbox where subject = 'xp.awarded'";
    assert_eq!(world.number(told).await, world.number("select count(*) as n from gamification.ledger").await);
    let levels = format!(
        "select count(*) as n from platform.outbox where subject = 'level.reached' and aggregate = '{student}'"
    );
    assert_eq!(world.number(&levels).await, 1);
    // Both skills, for the two entries that credit them.
    assert_eq!(world.number("select count(*) as n from gamification.credits").await, 4);
    assert_eq!(
        badges(&world, client).await,
        [("welcome".into(), "bronze", 1), ("first-gig".into(), "bronze", 1)]
    );
    assert!(badges(&world, student).await.contains(&("first-contract".into(), "bronze", 1)));
}

#[actix_web::test]
async fn the_ledger_cannot_be_changed() {
    let world = World::new().await;
    world.tell(&registered(UserId::new(), noon())).await;
    for statement in [
        "update gamification.ledger set points = 1000",
        "delete from gamification.ledger",
        "truncate gamification.ledger cascade",
        "delete from gamification.credits",
    ] {
        let refused = world.run(statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{statement}: {refused}");
    }
}

#[actix_web::test]
async fn caps_hold_for_a_day_and_cooldowns_for_their_stretch() {
    let world = World::new().await;
    let user = UserId::new();
    for n in 0..8 {
        world.tell(&posted(user, Uuid::now_v7(), &[], noon() + TimeDelta::minutes(n))).await;
    }
    assert_eq!(world.total(user).await, 5 * 20);
    world.tell(&posted(user, Uuid::now_v7(), &[], noon() + TimeDelta::hours(13))).await;
    assert_eq!(world.total(user).await, 6 * 20, "another UTC day");
    let (author, other) = (UserId::new(), UserId::new());
    for seconds in [0, 5, 59, 60, 61, 130] {
        world.tell(&reviewed(author, other, 3, noon() + TimeDelta::seconds(seconds))).await;
    }
    assert_eq!(world.total(author).await, 3 * 10, "three minutes have one each");
    assert_eq!(world.total(other).await, 0, "three stars are no points, and no points no entry");
}

#[actix_web::test]
async fn badges_repeat_stick_and_go_as_their_rules_say() {
    let world = World::new().await;
    let (author, subject) = (UserId::new(), UserId::new());
    for n in 0..20 {
        world.tell(&reviewed(author, subject, 5, days_ago(20) + TimeDelta::hours(n))).await;
    }
    let has = badges(&world, subject).await;
    for badge in [
        ("five-stars".to_owned(), "gold", 1),
        ("five-stars".to_owned(), "gold", 2),
        ("top-rated".to_owned(), "gold", 1),
    ] {
        assert!(has.contains(&badge), "{badge:?}: {has:?}");
    }
    // Five bad ones: the average falls to 4.2, the badge that is not sticky goes, and is told.
    for n in 0..5 {
        world.tell(&reviewed(author, subject, 1, days_ago(2) + TimeDelta::hours(n))).await;
    }
    let has = badges(&world, subject).await;
    assert!(!has.iter().any(|badge| badge.0 == "top-rated"), "{has:?}");
    assert!(has.contains(&("five-stars".into(), "gold", 2)));
    assert_eq!(
        world.number("select count(*) as n from platform.outbox where subject = 'badge.revoked'").await,
        1
    );
    // It comes back as the same award.
    for n in 0..80 {
        world.tell(&reviewed(author, subject, 5, days_ago(1) + TimeDelta::minutes(n))).await;
    }
    assert!(badges(&world, subject).await.contains(&("top-rated".into(), "gold", 1)));
    assert_eq!(
        world.number("select count(*) as n from gamification.badge_awards where badge = 'top-rated'").await,
        1
    );
}

#[actix_web::test]
async fn a_streak_goes_by_the_days_where_the_person_is() {
    let world = World::new().await;
    let user = UserId::new();
    let zone = SettingsPatch { zone: Some("Pacific/Auckland".into()), ..SettingsPatch::default() };
    world.game.change_settings(user, 1, &zone).await.unwrap();
    for n in 0..30 {
        world.tell(&posted(user, Uuid::now_v7(), &[], days_ago(29 - n))).await;
    }
    let streak = world.game.streak_of(user).await.unwrap();
    assert_eq!((streak.current, streak.longest, streak.freezes), (30, 30, 2));
    // Noon in Greenwich is tomorrow's one o'clock there.
    assert_eq!(streak.today.to_string(), "2026-11-19");
    assert!(streak.active_today);
    assert!(badges(&world, user).await.contains(&("streak".into(), "silver", 1)));
    world.clock.advance(TimeDelta::days(3));
    assert_eq!(world.game.streak_of(user).await.unwrap().freezes, 0);
    world.clock.advance(TimeDelta::days(1));
    assert_eq!(world.game.streak_of(user).await.unwrap().current, 0);
    let bad = SettingsPatch { zone: Some("Mars/Olympus".into()), ..SettingsPatch::default() };
    assert!(world.game.change_settings(user, 2, &bad).await.is_err());
}

#[actix_web::test]
async fn new_rules_judge_the_past_when_asked_and_a_dry_run_only_tells() {
    let world = World::new().await;
    world.game.install().await.unwrap();
    world.work().await;
    let (client, student, gig) = (UserId::new(), UserId::new(), Uuid::now_v7());
    world.tell(&posted(client, gig, &["rust"], days_ago(1))).await;
    world.tell(&completed(client, student, gig, noon())).await;
    let before = world.total(student).await;
    assert_eq!(before, 150);
    let nothing = world.game.rebuild_xp(false, &|_, _| {}).await.unwrap();
    assert_eq!((nothing.changes.len(), nothing.people), (0, 2));

    let text = include_str!("../../contexts/gamification/model/rules.toml")
        .replace("version = 2", "version = 3")
        .replace("points = 150", "points = 100")
        .replace("points = 60\n", "points = 90\n")
        .replace("at = 1 }, { tier = \"silver\", at = 10 }", "at = 1 }, { tier = \"silver\", at = 2 }");
    let rules = std::sync::Arc::new(RuleSet::parse(&text).unwrap());
    let world = world.under(rules);
    assert_eq!(world.total(student).await, 150, "what was awarded stays");
    let dry = world.game.rebuild_xp(true, &|_, _| {}).await.unwrap();
    let told: Vec<_> =
        dry.changes.iter().map(|change| (change.rule.as_str(), change.was, change.now)).collect();
    assert!(
        told.contains(&("contract_completed", 150, 100)) && told.contains(&("contract_fulfilled", 60, 90))
    );
    assert_eq!(world.total(student).await, 150);
    let real = world.game.rebuild_xp(false, &|_, _| {}).await.unwrap();
    assert_eq!(real.changes, dry.changes);
    assert_eq!((world.total(student).await, world.total(client).await), (100, 20 + 90));
    assert!(world.game.rebuild_xp(true, &|_, _| {}).await.unwrap().changes.is_empty());
    // The correction is credited to the skill too, at the time of what it corrects.
    let skill = "select sum(points)::bigint as n from gamification.credits where skill = 'rust'";
    assert_eq!(world.number(skill).await, 100);
    // Badges of a new version are looked at by a task, for everybody.
    world.tell(&posted(client, Uuid::now_v7(), &[], noon())).await;
    world.game.install().await.unwrap();
    world.work().await;
    assert!(badges(&world, client).await.contains(&("first-gig".into(), "silver", 1)));
}

#[actix_web::test]
async fn what_was_recorded_before_there_was_a_game_is_taken_up() {
    let world = World::new().await;
    let user = UserId::new();
    let mut conn = world.database.conn().await.unwrap();
    let new = crate::events::NewEvent {
        subject: "user.registered",
        context: "identity",
        aggregate: user.to_string(),
        version: 1,
        data: json!({ "user_id": user }),
    };
    crate::events::record(&mut conn, new).await.unwrap();
    drop(conn);
    let dry = world.game.rebuild_xp(true, &|_, _| {}).await.unwrap();
    assert_eq!((dry.missed_events, world.total(user).await), (1, 0));
    world.game.install().await.unwrap();
    world.work().await;
    assert_eq!(world.total(user).await, 10);
    assert_eq!(world.game.rebuild_xp(false, &|_, _| {}).await.unwrap().missed_events, 0);
}

#[actix_web::test]
async fn an_erased_person_is_a_number_in_the_ledger_and_nothing_else() {
    let world = World::new().await;
    let user = UserId::new();
    world.tell(&registered(user, days_ago(1))).await;
    world.tell(&event("user.erasure_requested", noon(), json!({ "user_id": user }))).await;
    world.tell(&posted(user, Uuid::now_v7(), &[], noon())).await;
    for table in ["facts", "active_days", "badge_awards"] {
        let left = format!("select count(*) as n from gamification.{table} where user_id = '{user}'");
        assert_eq!(world.number(&left).await, 0, "{table}");
    }
    assert_eq!(world.total(user).await, 10);
    let rebuilt = world.game.rebuild_xp(false, &|_, _| {}).await.unwrap();
    assert_eq!((rebuilt.people, rebuilt.changes.len()), (0, 0));
}

#[actix_web::test]
async fn several_events_go_alone_and_single_ones_beside_each_other() {
    let world = World::new().await;
    let awards = &world.consumers[0];
    let all: Vec<_> = (0..3).map(|_| posted(UserId::new(), Uuid::now_v7(), &["rust"], noon())).collect();
    let (first, second) = ([&all[0], &all[1]], [&all[2]]);
    let mut one = world.database.conn().await.unwrap();
    let mut two = world.database.conn().await.unwrap();
    let begin = "begin; set local lock_timeout = '300ms'";
    one.batch_execute(begin).await.unwrap();
    two.batch_execute(begin).await.unwrap();
    awards.prepare(&mut one, &first[..1]).await.unwrap();
    awards.prepare(&mut two, &second).await.unwrap();
    two.batch_execute("rollback").await.unwrap();
    // What several events lock in their order, nobody may have locked half of.
    two.batch_execute(begin).await.unwrap();
    assert!(awards.prepare(&mut two, &first).await.is_err(), "while one event is under way");
    one.batch_execute("rollback").await.unwrap();
    two.batch_execute("rollback").await.unwrap();
    one.batch_execute(begin).await.unwrap();
    two.batch_execute(begin).await.unwrap();
    awards.prepare(&mut one, &first).await.unwrap();
    assert!(awards.prepare(&mut two, &second).await.is_err(), "while several are under way");
    one.batch_execute("rollback").await.unwrap();
    two.batch_execute("rollback").await.unwrap();
}
