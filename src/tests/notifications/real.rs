//! The words that people read, from events as the other contexts really record them.

use diesel::{
    QueryableByName,
    sql_types::{Jsonb, Text},
};
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::{
    contexts::notifications::{Channels, PreferencesForm},
    principal::UserId,
    tests::gamification,
};

#[derive(QueryableByName)]
struct Told {
    #[diesel(sql_type = Text)]
    subject: String,
    #[diesel(sql_type = Jsonb)]
    data: Value,
}

/// What gamification recorded for somebody, in order.
async fn recorded(game: &gamification::World, user: UserId) -> Vec<Told> {
    let mut conn = game.database.conn().await.unwrap();
    let query = format!(
        "select subject, envelope -> 'data' as data from platform.outbox
         where envelope -> 'data' ->> 'user_id' = '{user}' order by seq"
    );
    diesel::sql_query(query).load(&mut conn).await.unwrap()
}

#[actix_web::test]
async fn what_gamification_records_is_told_in_its_own_words() {
    let (game, world) = (gamification::World::new().await, World::new().await);
    let (client, student, gig) = (UserId::new(), UserId::new(), Uuid::now_v7());
    let noon = gamification::noon();
    game.tell(&gamification::registered(student, noon)).await;
    game.tell(&gamification::completed(client, student, gig, noon)).await;
    let told = recorded(&game, student).await;
    assert!(told.iter().any(|told| told.subject == "xp.awarded"), "points were recorded");

    let points = Channels { in_app: true, email: false, push: true };
    let form =
        PreferencesForm { kinds: [("xp.awarded".to_owned(), points)].into(), ..PreferencesForm::default() };
    world.notifications.replace_preferences(student, 0, &form).await.unwrap();
    let first = told.iter().find(|told| told.subject == "xp.awarded").unwrap();
    world.tell("xp.awarded", first.data.clone()).await;
    let item = world.list(student).await.remove(0);
    assert_eq!(item.title, format!("You earned {} points", first.data["points"]));
    assert_eq!(item.body, format!("You have {} now.", first.data["total"]));
    assert_eq!(item.data["rule"], first.data["rule"]);
    assert!(item.data["rule"].is_string() && item.data["points"].is_i64(), "{}", item.data);

    // Everything else that it records has its words too, and none says "some" or "noted".
    for told in told.iter().filter(|told| told.subject != "xp.awarded") {
        world.tell(&told.subject, told.data.clone()).await;
    }
    for item in world.list(student).await {
        for vague in ["some points", "well done", "level after level", "rank noted", "{", "}"] {
            assert!(!item.title.contains(vague), "{}: {}", item.kind, item.title);
        }
        if item.kind == "badge.awarded" {
            let award: Uuid = item.link.strip_prefix("/badges/").unwrap().parse().unwrap();
            assert_eq!(item.data["award_id"], award.to_string());
            assert_eq!(
                json!(game.game.award(award).await.unwrap().badge),
                item.data["badge"],
                "a page of its own"
            );
        }
    }
    // A correction is nothing that one earned.
    let before = world.list(student).await.len();
    let mut taken = first.data.clone();
    taken["points"] = (-5).into();
    world.tell("xp.awarded", taken).await;
    assert_eq!(world.list(student).await.len(), before);
    world.check().await;
}
