//! Leaderboards, alive.

use std::time::Duration;

use chrono::TimeDelta;
use uuid::Uuid;

use super::world::*;
use crate::{
    contexts::gamification::{
        BoardForm, BoardId, Boards, GameError, PartForm, Poison, SettingsPatch, Window,
    },
    principal::UserId,
    realtime::Hub,
    tests::support::wait::eventually,
};

pub fn form(board: &BoardId, window: Window) -> BoardForm {
    BoardForm { board: board.to_string(), window }
}

pub async fn top(boards: &Boards, board: &BoardId, window: Window) -> Vec<(Option<UserId>, i64)> {
    boards.refresh(board).await.unwrap();
    let part = boards.part(UserId::new(), &form(board, window), PartForm::Top(100)).await.unwrap();
    part.items.into_iter().map(|row| (row.user_id, row.score)).collect()
}

#[actix_web::test]
async fn windows_hold_what_was_earned_in_them_and_turn() {
    let world = World::new().await;
    let boards = world.boards(&Hub::new());
    let [today, monday, month, long] = [0, 2, 9, 40].map(|_| UserId::new());
    for (user, ago) in [(today, 0), (monday, 2), (month, 9), (long, 40)] {
        world.tell(&registered(user, days_ago(ago))).await;
    }
    let count = async |window| top(&boards, &global(), window).await.len();
    assert_eq!(count(Window::All).await, 4);
    assert_eq!(count(Window::Month).await, 3);
    assert_eq!(count(Window::Week).await, 2);
    assert_eq!(top(&boards, &global(), Window::Day).await, [(Some(today), 10)]);
    // Earlier wins the tie.
    let order: Vec<_> = top(&boards, &global(), Window::All).await.into_iter().map(|row| row.0).collect();
    assert_eq!(order, [Some(long), Some(month), Some(monday), Some(today)]);
    // Midnight: the day is empty, and what comes late goes where it belongs.
    world.clock.advance(TimeDelta::hours(13));
    eventually("the day turns", Duration::from_secs(5), async || {
        top(&boards, &global(), Window::Day).await.is_empty().then_some(())
    })
    .await;
    world.tell(&posted(today, Uuid::now_v7(), &[], noon())).await;
    world.tell(&posted(monday, Uuid::now_v7(), &[], noon() + TimeDelta::hours(12))).await;
    assert_eq!(top(&boards, &global(), Window::Day).await, [(Some(monday), 20)]);
    assert_eq!(top(&boards, &global(), Window::Week).await, [(Some(today), 30), (Some(monday), 30)]);
    boards.domain().stop(Duration::from_secs(2)).await;
}

#[actix_web::test]
async fn skills_cohorts_opting_out_and_being_unnamed() {
    let world = World::new().await;
    let boards = world.boards(&Hub::new());
    let (client, student, gig) = (UserId::new(), UserId::new(), Uuid::now_v7());
    let rust = BoardId::Skill("rust".into());
    assert!(matches!(boards.refresh(&rust).await, Err(GameError::Board(_))), "there is no such board yet");
    // The contract is told of before the gig: its skills are credited when they are known.
    world.tell(&completed(client, student, gig, noon())).await;
    world.tell(&posted(client, gig, &["rust"], days_ago(3))).await;
    assert_eq!(top(&boards, &rust, Window::All).await, [(Some(student), 150)]);
    let listed: Vec<_> = boards.list(student).await.unwrap().into_iter().map(|board| board.board).collect();
    assert_eq!(listed, ["global", "skill:rust"]);

    let cohort = BoardId::Cohort("tu-berlin".into());
    let join = SettingsPatch { cohort: Some(Some("tu-berlin".into())), ..SettingsPatch::default() };
    world.game.change_settings(student, 1, &join).await.unwrap();
    assert_eq!(top(&boards, &cohort, Window::All).await, [(Some(student), 150)]);
    world.game.change_settings(client, 1, &join).await.unwrap();
    eventually("the client is in the cohort", Duration::from_secs(5), async || {
        (top(&boards, &cohort, Window::All).await.len() == 2).then_some(())
    })
    .await;
    let leave = SettingsPatch { cohort: Some(None), ..SettingsPatch::default() };
    world.game.change_settings(client, 2, &leave).await.unwrap();
    eventually("the client has left", Duration::from_secs(5), async || {
        (top(&boards, &cohort, Window::All).await.len() == 1).then_some(())
    })
    .await;

    let unnamed = SettingsPatch { anonymous: Some(true), ..SettingsPatch::default() };
    world.game.change_settings(student, 2, &unnamed).await.unwrap();
    assert_eq!(top(&boards, &global(), Window::All).await, [(None, 150), (Some(client), 80)]);
    let own = boards.part(student, &form(&global(), Window::All), PartForm::Around(0)).await.unwrap();
    assert_eq!((own.items[0].user_id, own.rank, own.percentile), (Some(student), Some(1), Some(50.0)));
    let out = SettingsPatch { opted_out: Some(true), ..SettingsPatch::default() };
    world.game.change_settings(student, 3, &out).await.unwrap();
    assert_eq!(top(&boards, &global(), Window::All).await, [(Some(client), 80)]);
    let around = boards.part(student, &form(&global(), Window::All), PartForm::Around(1)).await;
    assert!(matches!(around, Err(GameError::NotRanked)));
    // What is earned while one is out is there when one comes back.
    world.tell(&completed(client, student, Uuid::now_v7(), noon())).await;
    let back = SettingsPatch { opted_out: Some(false), ..SettingsPatch::default() };
    world.game.change_settings(student, 4, &back).await.unwrap();
    assert_eq!(top(&boards, &global(), Window::All).await[0], (None, 300));
    let among = PartForm::Among(vec![client, UserId::new()]);
    let part = boards.part(student, &form(&global(), Window::All), among).await.unwrap();
    assert_eq!(part.items.iter().map(|row| (row.rank, row.user_id)).collect::<Vec<_>>(), [(2, Some(client))]);
    boards.domain().stop(Duration::from_secs(2)).await;
}

#[actix_web::test]
async fn an_entry_that_commits_late_is_not_missed() {
    let world = World::new().await;
    let boards = world.boards(&Hub::new());
    let (slow, quick) = (UserId::new(), UserId::new());
    world
        .run(&format!("insert into gamification.members (user_id) values ('{slow}'), ('{quick}')"))
        .await
        .unwrap();
    assert_eq!(top(&boards, &global(), Window::All).await.len(), 0);
    let entry = |user: UserId| {
        format!(
            "insert into gamification.ledger (user_id, rule, source, rule_version, points, at)
             values ('{user}', 'late', '{}', 1, 7, '2026-11-18T11:00:00Z')",
            Uuid::now_v7()
        )
    };
    // A transaction takes a number, a later one commits before it.
    let mut late = world.database.conn().await.unwrap();
    diesel_async::RunQueryDsl::execute(diesel::sql_query("begin"), &mut late).await.unwrap();
    diesel_async::RunQueryDsl::execute(
        diesel::sql_query(format!("select 1 from gamification.members where user_id = '{slow}' for update")),
        &mut late,
    )
    .await
    .unwrap();
    diesel_async::RunQueryDsl::execute(diesel::sql_query(entry(slow)), &mut late).await.unwrap();
    world.run(&entry(quick)).await.unwrap();
    for _ in 0..5 {
        assert_eq!(top(&boards, &global(), Window::All).await, [(Some(quick), 7)]);
    }
    diesel_async::RunQueryDsl::execute(diesel::sql_query("commit"), &mut late).await.unwrap();
    assert_eq!(top(&boards, &global(), Window::All).await.len(), 2);
    for _ in 0..5 {
        world.run(&entry(quick)).await.unwrap();
        let _ = top(&boards, &global(), Window::All).await;
    }
    assert_eq!(top(&boards, &global(), Window::All).await, [(Some(quick), 42), (Some(slow), 7)]);
    boards.domain().stop(Duration::from_secs(2)).await;
}

#[actix_web::test]
async fn a_board_that_crashes_in_traffic_is_the_ledgers_again_and_answers_meanwhile() {
    let world = World::new().await;
    let boards = world.boards(&Hub::new());
    let users: Vec<UserId> = (0..12).map(|_| UserId::new()).collect();
    for user in &users {
        world.tell(&registered(*user, days_ago(1))).await;
    }
    assert_eq!(top(&boards, &global(), Window::All).await.len(), 12);
    let mut unanswered = 0;
    for round in 0..6 {
        boards.domain().tell(&global(), Poison).await.unwrap();
        for (n, user) in users.iter().enumerate() {
            let done =
                posted(*user, Uuid::now_v7(), &[], noon() - TimeDelta::minutes((n * 7 + round) as i64));
            world.tell(&done).await;
            // Readers are never turned away: what the board was answers while it is made anew.
            let part = boards.part(*user, &form(&global(), Window::All), PartForm::Around(2)).await;
            unanswered += usize::from(part.is_err());
        }
    }
    assert_eq!(unanswered, 0);
    let expected = world.number("select count(distinct user_id) as n from gamification.ledger").await;
    let sum = world.number("select sum(points)::bigint as n from gamification.ledger").await;
    let found = eventually("the board is up again", Duration::from_secs(10), async || {
        boards.refresh(&global()).await.ok()?;
        let part = boards.part(users[0], &form(&global(), Window::All), PartForm::Top(100)).await.ok()?;
        (!part.stale).then_some(part)
    })
    .await;
    assert_eq!(found.total as i64, expected);
    assert_eq!(found.items.iter().map(|row| row.score).sum::<i64>(), sum);
    boards.domain().stop(Duration::from_secs(2)).await;
}
