//! Property 14, on a running server: after erasure nothing personal is left outside pseudonyms, and whoever looks
//! finds what is planted.

use std::{collections::BTreeSet, io::Read, time::Duration};

use diesel::sql_query;
use diesel_async::RunQueryDsl;
use serde_json::{Value, json};

use super::{
    person::{EMAIL, NAME, PASSWORD, WORD, Zelda},
    scan::{self, Found, Needles},
};
use crate::tests::support::{
    api::Api,
    app::TestApp,
    mongo_server::{self, MISSING, MongoServer, Presents},
    skip::skip,
    wait::eventually,
};

/// Where the bare id may stay, and why. It leads to nobody: identity knows no name for it.
const PSEUDONYMS: &[(&str, &str)] = &[
    ("identity.users.id", "the bare id itself, which everything below refers to"),
    ("ledger.", "books are kept as the law wants them"),
    ("sandbox.", "the payment provider's own books"),
    ("gigs.gigs.owner_id", "others' applications and contracts are for it"),
    ("gigs.applications.student_id", "contracts are made of it; counters rest on it"),
    ("gigs.contracts.", "the other side's contract, and the books'"),
    ("gigs.reviews.", "the other side's stars"),
    ("gigs.history.data", "whom a step concerned, without words"),
    ("gigs.history.actor_id", "who took a step, without words"),
    ("gigs.disputes.", "an operator's decision about the other side's money"),
    ("learning.enrolments.student_id", "payments for places rest on it"),
    ("learning.certificates.student_id", "that it was revoked"),
    ("learning.history.actor_id", "who took a step, without words"),
    ("career.bookings.", "the mentor's history, and the books'"),
    ("career.mentorships.", "the mentor's history"),
    ("career.calendars.person_id", "locks nobody's calendar"),
    ("career.busy.person_id", "that a session took place"),
    ("career.history.actor_id", "who took a step, without words"),
    ("career.reviews.author_id", "the mentor's stars"),
    ("career.forgotten.user_id", "so that late events make nothing anew"),
    ("notifications.forgotten.user_id", "so that late events make nothing anew"),
    ("gamification.members.user_id", "a place on boards without a name, and off them"),
    ("gamification.ledger.source", "what earned the points, by the bare id"),
    ("gamification.ledger.user_id", "others' ranks rest on it"),
    ("gamification.credits.user_id", "others' ranks rest on it"),
    ("gamification.league_members.user_id", "others' leagues rest on it"),
    ("gamification.boards.", "boards' own counters"),
    ("chat.members.user_id", "the other side of a direct room"),
    ("chat.rooms.", "who made a room; which two a direct one is of"),
    ("chat.changed.message", "a tombstone's place in its room"),
    ("chat.events.sender_id", "a tombstone's place in its room"),
    ("chat.events.data", "who joined and left, by the bare id"),
    ("chat.audit.", "what moderators did"),
    ("chat.erasures.user_id", "so that it is done once"),
    ("objects.uploads.owner_id", "what is left of a file without bytes"),
    ("discovery.documents.id", "that it is in no index"),
    ("vectors.", "that it is in no index"),
    ("words.", "that it is in no index"),
    ("privacy.erasures.user_id", "the receipts"),
    ("privacy.receipts.user_id", "the receipts"),
    ("platform.outbox.", "for 30 days: that the erasure was asked for and done"),
    ("platform.inbox.", "for 30 days: that the erasure was asked for and done"),
];

fn needles(zelda: &Zelda) -> Needles {
    let texts = [EMAIL, NAME, "Quixotina", WORD].map(str::to_owned).to_vec();
    Needles { texts, id: zelda.id }
}

/// What is left that should not be.
fn leftovers(found: Found) -> Vec<(String, String)> {
    let allowed = |place: &str| PSEUDONYMS.iter().any(|(prefix, _)| place.starts_with(prefix));
    found.into_iter().filter(|(place, what)| !(what == "id" && allowed(place))).collect()
}

async fn erased(zelda: &Zelda) -> Value {
    let mut shown = Value::Null;
    for _ in 0..600 {
        let answer = zelda.api.get("/api/v1/me/erasure").await;
        // The session goes with the last receipt.
        if answer.status == 401 {
            return shown;
        }
        if answer.status == 200 {
            shown = answer.json.clone();
        }
        assert!([200, 404].contains(&answer.status), "{}", answer.text);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never complete: {}", zelda.api.get("/api/v1/me/erasure").await.text);
}

#[actix_web::test]
async fn who_is_erased_is_nowhere_left_and_a_planted_leftover_is_found() {
    let app = TestApp::demo(&[]).await;
    let zelda = Zelda::arrives(&app).await;
    // She is in every schema that keeps people.
    let before = scan::tables(app.database(), &needles(&zelda)).await;
    let schemas: BTreeSet<&str> = before.iter().filter_map(|(place, _)| place.split('.').next()).collect();
    for schema in [
        "identity",
        "chat",
        "gigs",
        "ledger",
        "learning",
        "career",
        "gamification",
        "notifications",
        "activity",
        "objects",
        "platform",
    ] {
        assert!(schemas.contains(schema), "{schema} knows nothing of her: {schemas:?}");
    }
    let worded = before.iter().filter(|(_, what)| what == WORD).count();
    assert!(worded >= 15, "her words are in {worded} columns only");
    assert!(!scan::files(&app.files().join("objects"), &needles(&zelda)).is_empty());

    let form = json!({ "password": PASSWORD, "at_once": true });
    zelda.api.post("/api/v1/me/deletion", &form).await.expect(202);
    // What is left of the session may look, and do nothing.
    let said = zelda
        .api
        .post("/api/v1/chat/rooms", &json!({ "kind": "group", "name": "x", "member_ids": [] }))
        .await;
    assert!([401, 403].contains(&said.status), "{}", said.text);
    let shown = erased(&zelda).await;
    let contexts: Vec<&str> =
        shown["receipts"].as_array().unwrap().iter().map(|one| one["context"].as_str().unwrap()).collect();
    assert_eq!(contexts.len(), 13, "{contexts:?}");
    let operator = super::person::demo_api(&app, "operator").await;
    let open = operator.get("/api/v1/ops/erasures").await.expect(200);
    assert_eq!(open["items"], json!([]), "{open}");

    let left = leftovers(scan::tables(app.database(), &needles(&zelda)).await);
    assert_eq!(left, [], "this is left of her");
    assert_eq!(scan::files(&app.files().join("objects"), &needles(&zelda)), Found::new());
    // Others' books still agree, and the other side still has its contract.
    let contracts = zelda.client.get("/api/v1/contracts").await.expect(200);
    assert!(!contracts["items"].as_array().unwrap().is_empty());
    let open = Api::new(app.base(), None);
    let session = json!({ "email": EMAIL, "password": PASSWORD });
    open.post("/api/v1/auth/sessions", &session).await.expect_problem(401);
    open.get("/p/xyzzy-page").await.expect_problem(404);

    // The scan can fail: a word, a name and an id that are planted are found, each where it is.
    let mut conn = app.database().conn().await.unwrap();
    for statement in [
        "update chat.rooms set topic = 'so she said: XYZZY' where id = (select id from chat.rooms limit 1)"
            .to_owned(),
        format!("update gigs.gigs set title = '{NAME}' where id = (select id from gigs.gigs limit 1)"),
        format!(
            "insert into career.follows (id, follower_id, person_id, created_at)
                 values (gen_random_uuid(), gen_random_uuid(), '{}', now())",
            zelda.id
        ),
    ] {
        assert_eq!(sql_query(&statement).execute(&mut conn).await.unwrap(), 1, "{statement}");
    }
    let planted = app.files().join("objects").join("planted");
    std::fs::write(&planted, format!("To: {EMAIL}")).unwrap();
    let left: BTreeSet<_> =
        leftovers(scan::tables(app.database(), &needles(&zelda)).await).into_iter().collect();
    for (place, what) in [
        ("chat.rooms.topic", WORD),
        ("gigs.gigs.title", NAME),
        ("gigs.gigs.title", "Quixotina"),
        ("career.follows.person_id", "id"),
    ] {
        assert!(left.contains(&(place.to_owned(), what.to_owned())), "{place}: {what} in {left:?}");
    }
    assert_eq!(left.len(), 4, "{left:?}");
    let found = scan::files(&app.files().join("objects"), &needles(&zelda));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), [(planted.display().to_string(), EMAIL.to_owned())]);
    app.stop().await;
}

#[actix_web::test]
async fn an_archive_holds_what_every_context_knows_and_goes_when_it_expires() {
    let app = TestApp::demo(&[]).await;
    let zelda = Zelda::arrives(&app).await;
    let asked = zelda.api.post("/api/v1/me/exports", &json!({})).await.expect(202);
    let path = format!("/api/v1/me/exports/{}", asked["id"].as_str().unwrap());
    let again = zelda.api.post("/api/v1/me/exports", &json!({})).await.expect(202);
    assert!(again["id"] == asked["id"] || again["state"] != "expired");
    let mut shown = Value::Null;
    for _ in 0..600 {
        shown = zelda.api.get(&path).await.expect(200);
        if shown["state"] == "ready" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(shown["state"], "ready", "{shown}");
    assert!(shown["parts"].as_array().unwrap().iter().all(|part| part["state"] == "done"), "{shown}");
    let other = zelda.client.get(&path).await;
    other.expect_problem(404);
    eventually("the word that it is ready", Duration::from_secs(20), || async {
        let told = zelda.api.get("/api/v1/notifications").await.expect(200);
        told["items"].as_array()?.iter().any(|one| one["kind"] == "export.ready").then_some(())
    })
    .await;

    let link = zelda.api.get(&format!("{path}/download")).await.expect(200);
    let url = link["url"].as_str().unwrap();
    let mut answer = awc::Client::new().get(url).send().await.unwrap();
    let disposition = answer.headers().get("content-disposition").unwrap().to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment") && disposition.contains(".zip"), "{disposition}");
    let bytes = answer.body().limit(64 << 20).await.unwrap();
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut all = std::collections::BTreeMap::new();
    for n in 0..zip.len() {
        let mut entry = zip.by_index(n).unwrap();
        let name = entry.name().unwrap().into_owned();
        assert!(entry.enclosed_name().is_some(), "{name}");
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        all.insert(name, text);
    }
    for (start, word) in [
        ("about.json", "identity"),
        ("identity/account.json", EMAIL),
        ("chat/messages-", "xyzzy, said otherwise"),
        ("gigs/applications.json", "xyzzy proposal"),
        ("ledger/entries.json", "amount_minor"),
        ("learning/enrolments.json", "state"),
        ("career/profile.json", "xyzzy about"),
        ("gamification/points.json", "rule"),
        ("notifications/notifications.json", "kind"),
        ("activity/entries-", "verb"),
        ("objects/uploads.json", "xyzzy.txt"),
        ("objects/files/", "xyzzy bytes"),
    ] {
        let there = all.iter().any(|(name, text)| name.starts_with(start) && text.contains(word));
        assert!(there, "{word} in {start}: {:?}", all.keys());
    }
    assert!(!all.values().any(|text| text.contains("argon2")), "no secrets");
    // Nothing of it stays beside the archive, and the archive goes with its row.
    zelda.api.call("DELETE", &path, None).await.expect(204);
    zelda.api.get(&format!("{path}/download")).await.expect_problem(409);
    for _ in 0..200 {
        if awc::Client::new().get(url).send().await.unwrap().status() == 404 {
            app.stop().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the archive's bytes stay");
}

#[actix_web::test]
async fn nor_in_any_collection_where_chat_and_activity_are_in_mongodb() {
    let Some(bin) = mongo_server::installed() else {
        skip!("what is left of a person in MongoDB", MISSING);
    };
    let server = MongoServer::start(&bin, Presents::Standalone).await;
    let address = server.url("privacy");
    let url: url::Url = address.parse().unwrap();
    let app = TestApp::demo(&[("MONGODB_URL", &address)]).await;
    let zelda = Zelda::arrives(&app).await;
    let worded = |found: &Found| found.iter().filter(|(_, what)| what != "id").cloned().collect::<Vec<_>>();
    assert!(!worded(&scan::collections(&url, &needles(&zelda)).await).is_empty(), "her words are there");
    let form = json!({ "password": PASSWORD, "at_once": true });
    zelda.api.post("/api/v1/me/deletion", &form).await.expect(202);
    erased(&zelda).await;
    assert_eq!(worded(&scan::collections(&url, &needles(&zelda)).await), []);
    let left = leftovers(scan::tables(app.database(), &needles(&zelda)).await);
    assert_eq!(left, [], "this is left of her");
    app.stop().await;
}
