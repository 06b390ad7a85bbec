//! Calendars that two independent libraries read: PyPI `icalendar` and npm `ical.js`.

use std::path::Path;

use chrono::Duration;
use serde_json::{Value, json};

use super::world::{HOME, World, at, person};
use crate::{
    error::Fault,
    principal::Role,
    tests::support::{
        sdk::{node_missing, root, venv},
        skip::skip,
    },
};

/// What a library reads in a file: the same shape from both.
fn read(program: &Path, script: &str, file: &Path) -> Value {
    let done = std::process::Command::new(program)
        .args(if script.ends_with(".py") { vec!["-B"] } else { vec![] })
        .arg(root().join("src/tests/career/scripts").join(script))
        .arg(file)
        .output()
        .unwrap();
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test]
async fn two_libraries_read_the_same_and_see_an_update_as_an_update() {
    let python = venv("python");
    let imports = std::process::Command::new(&python).args(["-c", "import icalendar"]).output();
    if !imports.is_ok_and(|done| done.status.success()) {
        skip!("calendars in icalendar", "the Python packages are not installed (scripts/setup-tests)");
    }
    if let Some(why) = node_missing() {
        skip!("calendars in ical.js", why);
    }
    if !root().join("src/tests/sdk/node_modules/ical.js/package.json").is_file() {
        skip!("calendars in ical.js", "the npm packages are not installed (scripts/setup-tests)");
    }
    let world = World::new().await;
    let mentor = world.mentor(json!({ "meeting_url": "https://meet.example.org/a?b=c,d" })).await;
    let seeker = person(Role::Student);
    let start = at("2027-03-24T08:00:00Z");
    let id = world.agreed(&seeker, &mentor, start).await;
    let other = world.agreed(&seeker, &mentor, start + Duration::hours(4)).await;
    let dir = tempfile::tempdir().unwrap();
    let both = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        let (a, b) = (read(&python, "ics.py", &file), read(Path::new("node"), "ics.mjs", &file));
        assert_eq!(a, b, "{text}");
        a
    };
    let first = both("first.ics", &world.career.booking_calendar(&seeker, id).await.unwrap());
    assert_eq!(first["method"], "PUBLISH");
    let event = &first["events"][0];
    assert_eq!(event["uid"], json!(format!("{id}@gigsy.example.org")));
    assert_eq!(
        (&event["start"], &event["end"]),
        (&json!("2027-03-24T08:00:00Z"), &json!("2027-03-24T09:00:00Z"))
    );
    assert_eq!((&event["sequence"], &event["status"]), (&json!(0), &json!("CONFIRMED")));
    assert_eq!(event["summary"], json!("Mentoring with Ada, \"A\"; <b>"));
    assert_eq!(event["location"], json!("https://meet.example.org/a?b=c,d"));
    let link = format!("My first job; and more,\nperhaps\n\n{HOME}/mentors#booking/{id}");
    assert_eq!(event["description"], json!(link));

    world.move_to(&mentor, id, start + Duration::hours(1)).await.unwrap();
    world.step(&seeker, id, "accept").await.unwrap();
    let second = both("second.ics", &world.career.booking_calendar(&mentor, id).await.unwrap());
    let moved = &second["events"][0];
    assert_eq!(moved["uid"], event["uid"]);
    assert!(moved["sequence"].as_i64() > event["sequence"].as_i64());
    assert_eq!(moved["start"], json!("2027-03-24T09:00:00Z"));

    // To subscribe to: all of them, a cancelled one as cancelled; until it is revoked.
    world.step(&mentor, other, "cancel").await.unwrap();
    let url = world.career.make_feed(&seeker).await.unwrap().url.unwrap();
    let secret = url.strip_prefix(&format!("{HOME}/calendar/")).unwrap().to_owned();
    let feed = both("feed.ics", &world.career.subscribed(&secret).await.unwrap());
    let states: Vec<_> = feed["events"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(states, [json!("CONFIRMED"), json!("CANCELLED")]);
    assert_eq!(feed["events"][0]["uid"], event["uid"]);
    assert!(world.career.subscribed(&format!("{secret}.ics")).await.is_ok());
    let next = world.career.make_feed(&seeker).await.unwrap().url.unwrap();
    assert_ne!(next, url);
    assert_eq!(world.career.subscribed(&secret).await.unwrap_err().kind().status(), 404);
    world.career.revoke_feed(&seeker).await.unwrap();
    let secret = next.rsplit('/').next().unwrap();
    assert_eq!(world.career.subscribed(secret).await.unwrap_err().kind().status(), 404);
    let kept = "SELECT count(*) AS n FROM career.feeds WHERE encode(secret_hash, 'escape') LIKE '%gc_%'";
    assert_eq!(world.count(kept).await, 0);
}
