use chrono::Duration;
use diesel::{QueryableByName, sql_types::Text};
use diesel_async::RunQueryDsl;
use serde_json::json;

use super::world::{PASSWORD, World, form, home, world};
use crate::contexts::identity::{DeletionForm, ProfilePatch};

async fn recorded(w: &World, subject: &str) -> Vec<(String, String)> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        aggregate: String,
        #[diesel(sql_type = Text)]
        envelope: String,
    }
    let mut conn = w.database.conn().await.unwrap();
    let rows: Vec<Row> = diesel::sql_query(
        "select aggregate, envelope::text as envelope from platform.outbox where subject = $1 order by seq",
    )
    .bind::<Text, _>(subject)
    .load(&mut conn)
    .await
    .unwrap();
    rows.into_iter().map(|row| (row.aggregate, row.envelope)).collect()
}

#[tokio::test]
async fn who_registers_is_told_of_once_and_without_personal_data() {
    let w = world().await;
    let lina = w.register("lina@example.org").await;
    assert!(w.identity.register(&form("lina@example.org")).await.is_err());
    let events = recorded(&w, "user.registered").await;
    assert_eq!(events.len(), 1, "an address that is taken is no event");
    assert_eq!(events[0].0, lina.id.to_string());
    assert!(!events[0].1.contains("lina@example.org"), "{}", events[0].1);
}

#[tokio::test]
async fn erasure_is_told_of_when_it_happens() {
    let w = world().await;
    let (_, who) = w.person("lina@example.org").await;
    let form = DeletionForm { password: PASSWORD.into(), at_once: false };
    w.identity.request_deletion(&who, &form, home()).await.unwrap();
    w.identity.tidy().await.unwrap();
    assert!(recorded(&w, "user.erasure_requested").await.is_empty(), "it can still be taken back");
    w.clock.advance(Duration::days(14));
    w.identity.tidy().await.unwrap();
    w.identity.tidy().await.unwrap();
    let events = recorded(&w, "user.erasure_requested").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, who.user_id.to_string());
}

#[tokio::test]
async fn who_takes_another_name_is_told_of_without_the_name() {
    let w = world().await;
    let lina = w.register("lina@example.org").await;
    let change = async |version: i64, patch: serde_json::Value| {
        let patch: ProfilePatch = serde_json::from_value(patch).unwrap();
        w.identity.change_profile(lina.id, version, &patch).await
    };
    change(1, json!({ "headline": "Draws" })).await.unwrap();
    change(2, json!({ "display_name": lina.display_name })).await.unwrap();
    assert!(recorded(&w, "user.renamed").await.is_empty(), "she is called what she was called");
    assert!(change(1, json!({ "display_name": "Lina Oyelaran" })).await.is_err());
    assert!(recorded(&w, "user.renamed").await.is_empty(), "nothing was changed");
    change(3, json!({ "display_name": "Lina Oyelaran", "bio": "More" })).await.unwrap();
    let events = recorded(&w, "user.renamed").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, lina.id.to_string());
    assert!(!events[0].1.contains("Oyelaran"), "{}", events[0].1);
}
