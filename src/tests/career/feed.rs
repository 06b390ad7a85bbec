//! The feed of whom and what one follows.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};

use super::files::person;
use crate::tests::{
    privacy::person::if_match,
    support::{api::Api, app::TestApp, wait::eventually},
};

async fn posts(api: &Api, title: &str, skill: &str) {
    let gig = json!({
        "title": title, "description": "d", "skills": [skill],
        "budget": { "amount_minor": 5_000, "currency": "EUR" },
    });
    let gig = api.post("/api/v1/gigs", &gig).await.expect(201);
    api.post(&format!("/api/v1/gigs/{}/post", gig["id"].as_str().unwrap()), &json!({})).await.expect(200);
}

fn titles(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().filter_map(|one| one["data"]["title"].as_str().map(str::to_owned)).collect()
}

#[actix_web::test]
async fn a_feed_shows_what_one_follows_and_may_see_page_by_page() {
    let app = TestApp::start(&[]).await;
    let (ann, _) = person(&app, "ann").await;
    let (ben, ben_id) = person(&app, "ben").await;
    let (cat, cat_id) = person(&app, "cat").await;
    let (dan, dan_id) = person(&app, "dan").await;
    diesel_async::RunQueryDsl::execute(
        diesel::sql_query(
            "update identity.users set email_verified_at = now(), roles = array['client', 'student']",
        ),
        &mut app.database().conn().await.unwrap(),
    )
    .await
    .unwrap();
    let feed = async || ann.get("/api/v1/me/feed").await.expect(200);
    assert_eq!(feed().await["items"], json!([]), "nobody is followed");
    for id in [&ben_id, &dan_id] {
        ann.call("PUT", &format!("/api/v1/me/follows/people/{id}"), None).await.expect_success();
    }
    ann.call("PUT", "/api/v1/me/follows/skills/rust", None).await.expect_success();
    posts(&ben, "of ben", "design").await;
    posts(&cat, "about rust", "rust").await;
    posts(&cat, "about design", "design").await;
    posts(&dan, "of dan", "design").await;
    posts(&ann, "my own", "rust").await;
    let wanted = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let shows = async |names: &[&str]| {
        let wanted = wanted(names);
        eventually(&format!("{names:?}"), Duration::from_secs(20), || async {
            let shown: BTreeSet<String> = titles(&feed().await).into_iter().collect();
            (shown == wanted).then_some(())
        })
        .await;
    };
    shows(&["of ben", "about rust", "of dan"]).await;
    let all = feed().await;
    let ids: Vec<&str> =
        all["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] > pair[1]), "the newest first");
    assert!(all["items"][0]["actor_name"].is_string());
    // The same, page by page, and a cursor is the caller's alone.
    let (mut walked, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let query = cursor.as_ref().map_or(String::new(), |cursor| format!("&cursor={cursor}"));
        let page = ann.get(&format!("/api/v1/me/feed?limit=1{query}")).await.expect(200);
        walked.extend(
            page["items"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(next) => {
                ben.get(&format!("/api/v1/me/feed?cursor={next}")).await.expect_problem(422);
                cursor = Some(next.to_owned());
            }
            None => break,
        }
    }
    assert_eq!(walked, ids);
    // Privacy: a private profile, one for connections, and somebody who blocked ann.
    let profile = |slug: &str, visibility: &str| json!({ "slug": slug, "visibility": visibility });
    if_match(&ben, "PUT", "/api/v1/me/profile", 0, &profile("ben-feed", "private")).await;
    shows(&["about rust", "of dan"]).await;
    if_match(&ben, "PUT", "/api/v1/me/profile", 1, &profile("ben-feed", "connections")).await;
    shows(&["about rust", "of dan"]).await;
    let ann_id = ann.get("/api/v1/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    ben.call("PUT", &format!("/api/v1/me/follows/people/{ann_id}"), None).await.expect_success();
    shows(&["of ben", "about rust", "of dan"]).await;
    for (who, whom) in [(&cat, &ann_id), (&ann, &dan_id)] {
        who.call("PUT", &format!("/api/v1/chat/blocks/{whom}"), None).await.expect_success();
    }
    shows(&["of ben"]).await;
    let _ = cat_id;
    app.stop().await;
}
