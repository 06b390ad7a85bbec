//! Whatever is typed into searches: it is answered or refused, and who types something ordinary meanwhile is served.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use url::form_urlencoded::byte_serialize;

use crate::tests::support::{
    api::Api,
    server::{Person, Server},
    wait::within,
};

/// What nobody should type, each as bytes.
fn hostile() -> Vec<Vec<u8>> {
    let texts = [
        "x".repeat(10_000),
        "🦀".repeat(2_500),
        "a ".repeat(5_000),
        (0..2_000).map(|n| format!("w{n} ")).collect(),
        "translate web service ".repeat(450),
        "\"unclosed -rust *:* a:* &|!() <-> foo<2>bar !!! ((((".to_owned(),
        "' or 1=1; drop table gigs.gigs; --".to_owned(),
        "(a+)+$".repeat(100),
        "^(([a-z])+.)+[A-Z]([a-z])+$ .*.*.*.*=.*".to_owned(),
        "%_%\\%__%".repeat(50),
        "\0".to_owned(),
        "rust\0sql\u{1}\u{8}\u{1b}[31m\u{7f}\r\n\t\u{85}\u{2028}".to_owned(),
        "\u{202e}tsur\u{202c} مرحبا بالعالم שלום\u{200f}".to_owned(),
        "\u{200b}\u{200d}\u{feff}\u{2060}".repeat(500),
        "e\u{301}\u{302}\u{303}\u{304}".repeat(500),
        "👩‍👩‍👧‍👦🏳️‍🌈".repeat(200),
        "ﷺ﷽ǅİıſß".repeat(200),
        "设计网站翻译".repeat(300),
        "{\"$ne\":null} ${jndi:ldap://x} {{7*7}} <script>alert(1)</script>".to_owned(),
        "NaN -1 1e400 9223372036854775808 null undefined".to_owned(),
        ",".repeat(3_000),
        "\u{10ffff}\u{fffd}\u{e000}".repeat(300),
        " ".repeat(10_000),
    ];
    let mut all: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    // No UTF-8 at all.
    all.push(vec![0xff, 0xfe, 0x80, 0xc0, 0xaf]);
    all.push(b"rust\xed\xa0\x80\xf8\x88".to_vec());
    all
}

/// Whether it is text that any parameter may hold: UTF-8 without NUL.
fn readable(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && !text.contains(&0)
}

fn encoded(bytes: &[u8]) -> String {
    byte_serialize(bytes).collect()
}

/// Every question that can be put to discovery: the path with each of its parameters that takes text, to be completed.
async fn questions(server: &Server) -> Vec<String> {
    let api = server.api().get("/api/openapi.json").await.expect(200);
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().expect("paths") {
        let get = &item["get"];
        if get["tags"][0] != "discovery" {
            continue;
        }
        for parameter in get["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().expect("a name");
            // What is required besides.
            let with = match (path.ends_with("/suggest"), name) {
                (true, "kind" | "limit") => "q=a&",
                _ => "",
            };
            all.push(format!("{path}?{with}{name}="));
        }
    }
    // Searches that are other contexts'.
    all.extend([
        "/api/v1/gigs?q=".to_owned(),
        "/api/v1/people?q=".to_owned(),
        "/api/v1/mentors?skill=".to_owned(),
    ]);
    all
}

#[actix_web::test]
async fn whatever_is_typed_no_answer_is_our_fault() {
    let server = Server::demo(&[]).await;
    let person = server.person("Mallory").await;
    let questions = questions(&server).await;
    assert!(questions.len() > 60, "every endpoint of discovery is asked: {questions:?}");
    let asked: Vec<(String, bool)> = questions
        .iter()
        .flat_map(|question| {
            // Whatever somebody types is a query; all else may be refused.
            let typed =
                question.ends_with("?q=") && (question.contains("/search") || question.contains("/suggest"));
            hostile()
                .into_iter()
                .map(move |text| (format!("{question}{}", encoded(&text)), typed && readable(&text)))
        })
        .collect();
    let count = asked.len();
    let asked = stream::iter(asked).map(|(path, answered)| {
        let api = person.api.clone();
        async move {
            let answer = api.get(&path).await;
            let named: String = path.chars().take(200).collect();
            assert!(answer.status < 500, "{} for {named}: {}", answer.status, answer.text);
            assert!(!answered || answer.status == 200, "{} for {named}: {}", answer.status, answer.text);
            if answer.status != 200 {
                answer.expect_problem(answer.status);
            }
            answer.status
        }
    });
    let statuses: Vec<u16> = asked.buffer_unordered(4).collect().await;
    let fine = statuses.iter().filter(|status| **status == 200).count();
    eprintln!("{fine} of {count} were answered, the others refused");
    assert!(!statuses.contains(&404), "a path is not there");
    // What is sent in a body.
    for text in hostile() {
        let text = String::from_utf8_lossy(&text).into_owned();
        let saved = json!({ "name": "hostile", "q": text });
        let status = person.api.post("/api/v1/saved-searches", &saved).await.status;
        assert!(status < 500, "{status} for a saved search");
        let told = json!({ "items": [{ "kind": text, "id": text, "deed": text }] });
        let status = person.api.post("/api/v1/recommendations/feedback", &told).await.status;
        assert!(status < 500, "{status} for feedback");
    }
}

/// Asks hostile things, a couple of dozen at once, until told to stop; how many were answered, and how many turned
/// away since enough of that person's were under way.
async fn flood(person: &Person, stop: &Cell<bool>) -> (usize, usize) {
    let questions = ["/api/v1/search?q=", "/api/v1/suggest?q=", "/api/v1/recommendations/mentors?goal="];
    let texts: Vec<String> = hostile().iter().map(|text| encoded(text)).collect();
    let (mut answered, mut turned_away) = (0, 0);
    while !stop.get() {
        let calls = texts.iter().enumerate().map(|(n, text)| {
            let path = format!("{}{text}", questions[n % questions.len()]);
            let api = person.api.clone();
            async move { api.get(&path).await }
        });
        for answer in join_all(calls).await {
            assert!(answer.status < 500, "{}: {}", answer.status, answer.text);
            match answer.status {
                200 => answered += 1,
                429 => turned_away += 1,
                // Too long a goal, or a NUL.
                _ => {}
            }
        }
    }
    (answered, turned_away)
}

#[actix_web::test]
async fn a_flood_of_hostile_searches_leaves_everybody_else_served() {
    // Few connections, so that one search alone could take them all; and little patience with that.
    let few = [("GIGSY_DATABASE_POOL", "8"), ("GIGSY_DATABASE_ACQUIRE_SECONDS", "3")];
    let server = Server::demo(&few).await;
    let hostile = [server.person("Mallory").await, server.person("Eve").await, server.person("Trudy").await];
    let ada = server.person("Ada").await;
    let room = server.room(&ada, &[]).await;
    let stop = Rc::new(Cell::new(false));
    let floods: Vec<_> = hostile
        .into_iter()
        .map(|person| {
            let stop = stop.clone();
            actix_web::rt::spawn(async move { flood(&person, &stop).await })
        })
        .collect();
    let get = async |api: &Api, path: &str| -> Value { api.get(path).await.expect(200) };
    let began = std::time::Instant::now();
    for n in 0..10 {
        let found = get(&ada.api, "/api/v1/search?q=translate").await;
        assert!(!found["items"].as_array().expect("items").is_empty(), "{found}");
        // With both indexes: nothing was given up for want of a connection.
        assert_eq!(found["without"], json!(null), "{found}");
        get(&ada.api, "/api/v1/suggest?q=tra").await;
        get(&ada.api, "/api/v1/recommendations/gigs").await;
        get(&ada.api, "/api/v1/me").await;
        let said = json!({ "client_msg_id": format!("m-{n}"), "body": "still here" });
        ada.api.post(&format!("/api/v1/chat/rooms/{room}/messages"), &said).await.expect(201);
    }
    eprintln!("50 ordinary calls took {:?} beside the flood", began.elapsed());
    stop.set(true);
    let counts = within("the flood ends", Duration::from_secs(60), join_all(floods)).await;
    for (n, count) in counts.into_iter().enumerate() {
        let (answered, turned_away) = count.expect("no flood panicked");
        eprintln!("flood {n}: {answered} answered, {turned_away} turned away");
        assert!(answered > 0, "whoever asks a lot is served too");
        assert!(turned_away > 0, "one person has only so much under way at once");
    }
}
