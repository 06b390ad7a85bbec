//! A changed name reaches the index: who is looked for is found by what they call themselves now.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{World, person, thing};
use crate::{
    contexts::discovery::{Kind, SearchForm},
    principal::UserId,
    tests::support::{api::Api, app::TestApp, server::PASSWORD, server::text, wait::eventually},
};

#[actix_web::test]
async fn both_documents_of_somebody_follow_their_name() {
    let world = World::new().await;
    let who = UserId::new();
    for (kind, body) in [(Kind::Person, "I build web services"), (Kind::Mentor, "I teach databases")] {
        world.publish(thing(kind, who, "Quentin Oldfield", body, &["rust"])).await;
    }
    world.settle().await;
    let found = async |q: &str| -> Vec<Kind> {
        let form = SearchForm { q: q.into(), ..SearchForm::default() };
        let found = world.discovery.search(&person(), &form, 10, None).await.unwrap();
        // By words, not by meaning.
        let named = found
            .items
            .iter()
            .filter(|one| one.highlights.as_ref().is_some_and(|shown| !shown.title.ranges.is_empty()));
        named.map(|one| one.kind).collect()
    };
    assert_eq!(found("Oldfield").await.len(), 2);
    for (kind, body) in [(Kind::Person, "I build web services"), (Kind::Mentor, "I teach databases")] {
        world.said.put(thing(kind, who, "Quentin Newbury", body, &["rust"]));
    }
    world.hear("user.renamed", who.0, json!({ "user_id": who })).await;
    // Of somebody who cannot be found nothing is noted.
    let stranger = UserId::new();
    world.hear("user.renamed", stranger.0, json!({ "user_id": stranger })).await;
    world.settle().await;
    assert_eq!(found("Newbury").await.len(), 2);
    assert!(found("Oldfield").await.is_empty());
    assert_eq!(world.documents().await, 2);
}

#[actix_web::test]
async fn who_renames_themselves_is_found_by_the_new_name_only() {
    let app = TestApp::start(&[]).await;
    let open = Api::new(app.base(), None);
    let register = async |name: &str| -> Api {
        let email = format!("{}@example.test", uuid::Uuid::now_v7().simple());
        let form = json!({ "email": email, "password": PASSWORD, "display_name": name });
        open.post("/api/v1/auth/register", &form).await.expect(201);
        let session = json!({ "email": email, "password": PASSWORD });
        let session = open.post("/api/v1/auth/sessions", &session).await.expect(201);
        Api::new(app.base(), Some(&text(&session, "/token")))
    };
    let (quentin, ada) = (register("Quentin Oldfield").await, register("Ada").await);
    let profile = json!({
        "slug": "quentin", "headline": "I build web services", "visibility": "public",
        "skills": [{ "skill": "rust", "level": 3 }],
    });
    let put = quentin.try_with("PUT", "/api/v1/me/profile", &[("if-match", "\"v0\"")], Some(&profile));
    put.await.unwrap().expect_success();
    let titles = async |q: &str| -> Vec<String> {
        let found = ada.get(&format!("/api/v1/search/people?q={q}")).await.expect(200);
        let items = found["items"].as_array().unwrap().clone();
        let named =
            |item: &Value| item["highlights"]["title"]["ranges"].as_array().is_some_and(|r| !r.is_empty());
        items.iter().filter(|item| named(item)).map(|item| text(item, "/title")).collect()
    };
    eventually("he is found", Duration::from_secs(30), || async {
        (titles("Oldfield").await == ["Quentin Oldfield"]).then_some(())
    })
    .await;

    let me = quentin.get("/api/v1/me").await.expect(200);
    let tag = format!("\"v{}\"", me["version"].as_i64().unwrap());
    let patch = json!({ "display_name": "Quentin Newbury" });
    let renamed = quentin.try_with("PATCH", "/api/v1/me", &[("if-match", &tag)], Some(&patch)).await;
    renamed.unwrap().expect(200);
    eventually("he is found by his new name", Duration::from_secs(30), || async {
        (titles("Newbury").await == ["Quentin Newbury"]).then_some(())
    })
    .await;
    assert!(titles("Oldfield").await.is_empty(), "nobody of the old name is left");
    app.stop().await;
}
