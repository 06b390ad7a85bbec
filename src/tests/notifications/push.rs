//! Web Push, against a push service that decrypts what it gets.

use std::{process::Stdio, sync::Arc, time::Duration as StdDuration};

use chrono::Duration;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};
use uuid::Uuid;

use super::world::{World, message};
use crate::{
    contexts::notifications::{
        Channels, NotificationsError, PreferencesForm, QuietHoursForm, SubscribeForm, Which,
    },
    error::Fault as _,
    ports::push::{Hosts, WebPush},
    principal::UserId,
    tests::support::{
        sdk::{node_missing, root},
        skip::skip,
        wait::within,
    },
};

/// A push service, and the browsers that it serves.
struct Service {
    base: String,
    browsers: Vec<Value>,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Service {
    async fn start() -> Self {
        let mut child = Command::new("node")
            .arg(root().join("src/tests/sdk/js/push_service.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let first = within("the push service", StdDuration::from_secs(20), lines.next_line()).await;
        let first: Value = serde_json::from_str(&first.unwrap().unwrap()).unwrap();
        let browsers = first["browsers"].as_array().unwrap().clone();
        Self { base: first["base"].as_str().unwrap().into(), browsers, lines, _child: child }
    }

    /// What the browser with that number subscribes with.
    fn form(&self, what: &str, n: usize) -> SubscribeForm {
        let form = json!({ "endpoint": format!("{}/{what}/{n}", self.base), "keys": self.browsers[n],
            "label": format!("Browser {n}") });
        serde_json::from_value(form).unwrap()
    }

    /// The next message that arrived.
    async fn next(&mut self) -> Value {
        let line = within("a push", StdDuration::from_secs(10), self.lines.next_line()).await;
        let line: Value = serde_json::from_str(&line.unwrap().unwrap()).unwrap();
        assert!(line.get("error").is_none(), "{line}");
        line
    }

    /// That none has arrived.
    async fn nothing(&mut self) {
        let wait = tokio::time::timeout(StdDuration::from_millis(200), self.lines.next_line());
        if let Ok(line) = wait.await {
            panic!("something was pushed: {line:?}");
        }
    }
}

async fn world() -> World {
    let world = World::at("2026-03-10T12:00:00Z").await;
    let vapid = world.notifications.vapid("mailto:ops@example.org".into()).await.unwrap();
    let push = WebPush::new(vapid, Hosts::new(&["127.0.0.1".to_owned()])).unwrap();
    world.notifications.push_by(Arc::new(push));
    world
}

async fn subscribe(world: &World, user: UserId, form: &SubscribeForm) -> Uuid {
    world.notifications.subscribe_push(user, Uuid::now_v7(), form).await.unwrap().0.id
}

async fn push(world: &World) -> usize {
    let mut count = 0;
    loop {
        match world.notifications.push_due().await.unwrap() {
            0 => return count,
            some => count += some,
        }
    }
}

macro_rules! service {
    ($name:literal) => {{
        if let Some(why) = node_missing() {
            skip!(concat!("web push: ", $name), why);
        }
        Service::start().await
    }};
}

#[tokio::test]
async fn a_browser_gets_what_it_alone_can_read_signed_by_the_key_it_was_told() {
    let mut service = service!("what a browser gets");
    let world = world().await;
    let (user, other) = (UserId::new(), UserId::new());
    subscribe(&world, user, &service.form("ok", 0)).await;
    subscribe(&world, user, &service.form("ok", 1)).await;
    subscribe(&world, other, &service.form("ok", 2)).await;
    let gig = Uuid::now_v7();
    world.applied(user, gig).await;
    assert_eq!(push(&world).await, 2);
    let mut got = [service.next().await, service.next().await];
    got.sort_by_key(|line| line["n"].as_u64());
    let item = world.list(user).await.remove(0);
    for (n, line) in got.iter().enumerate() {
        assert_eq!((line["n"].as_u64(), line["status"].as_u64()), (Some(n as u64), Some(201)));
        let told = &line["message"];
        assert_eq!(
            (&told["title"], &told["id"]),
            (&json!("A new application for “A poster”"), &json!(item.id))
        );
        assert_eq!((&told["link"], &told["unread"]), (&json!(format!("/#gig/{gig}")), &json!(1)));
        assert_eq!((&line["ttl"], &line["encoding"]), (&json!("86400"), &json!("aes128gcm")));
        assert_eq!(
            (&line["topic"], &line["urgency"]),
            (&json!(item.id.0.simple().to_string()), &json!("normal"))
        );
        let vapid = &line["vapid"];
        assert_eq!((&vapid["aud"], &vapid["sub"]), (&json!(service.base), &json!("mailto:ops@example.org")));
        assert_eq!(vapid["head"]["alg"], "ES256");
        assert_eq!(vapid["key"], world.notifications.push_key().unwrap().public_key);
        let left = vapid["exp"].as_i64().unwrap() - chrono::Utc::now().timestamp();
        assert!((0..=86_400).contains(&left), "{left}");
    }
    // The key is the installation's: another process has the same.
    let again = world.notifications.vapid("mailto:x@example.org".into()).await.unwrap();
    let known = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, again.public_key());
    assert_eq!(world.notifications.push_key().unwrap().public_key, known);
    // A direct message is urgent.
    world.tell("message.sent", message(Uuid::now_v7(), user, other)).await;
    push(&world).await;
    let line = service.next().await;
    assert_eq!((&line["n"], &line["urgency"]), (&json!(2), &json!("high")));
    service.nothing().await;
    assert!(world.notifications.push_subscriptions(user).await.unwrap()[0].pushed_at.is_some());
    world.check().await;
}

#[tokio::test]
async fn what_is_read_unwanted_or_grown_is_not_pushed_over_and_over() {
    let mut service = service!("read, unwanted, grown");
    let world = world().await;
    let user = UserId::new();
    subscribe(&world, user, &service.form("ok", 0)).await;
    // Read before anybody looked.
    world.applied(user, Uuid::now_v7()).await;
    world.notifications.read(user, &Which::All).await.unwrap();
    push(&world).await;
    // A kind that is not pushed, by its own default and by choice.
    world.tell("user.registered", json!({ "user_id": user })).await;
    let off = Channels { in_app: true, email: false, push: false };
    let form = PreferencesForm {
        kinds: [("application.submitted".to_owned(), off)].into(),
        ..PreferencesForm::default()
    };
    world.notifications.replace_preferences(user, 0, &form).await.unwrap();
    world.applied(user, Uuid::now_v7()).await;
    push(&world).await;
    service.nothing().await;

    // One that goes on growing: at once, and then after a while once for all that came.
    let (room, from) = (Uuid::now_v7(), UserId::new());
    world.tell("message.sent", message(room, from, user)).await;
    push(&world).await;
    assert_eq!(service.next().await["message"]["count"], 1);
    for _ in 0..4 {
        world.tell("message.sent", message(room, from, user)).await;
        push(&world).await;
    }
    service.nothing().await;
    world.clock.advance(Duration::seconds(21));
    push(&world).await;
    let line = service.next().await;
    assert_eq!(
        (&line["message"]["count"], &line["message"]["title"]),
        (&json!(5), &json!("5 new direct messages"))
    );
    world.clock.advance(Duration::hours(1));
    push(&world).await;
    service.nothing().await;
}

#[tokio::test]
async fn quiet_hours_hold_a_push_until_they_end() {
    let mut service = service!("quiet hours");
    let world = world().await;
    let user = UserId::new();
    subscribe(&world, user, &service.form("ok", 0)).await;
    let quiet = QuietHoursForm { from: "11:00".into(), to: "13:00".into() };
    let form = PreferencesForm { quiet_hours: Some(quiet), ..PreferencesForm::default() };
    world.notifications.replace_preferences(user, 0, &form).await.unwrap();
    world.applied(user, Uuid::now_v7()).await;
    // Chosen only once something was due: they hold all the same.
    let late = UserId::new();
    subscribe(&world, late, &service.form("ok", 1)).await;
    world.applied(late, Uuid::now_v7()).await;
    world.notifications.replace_preferences(late, 0, &form).await.unwrap();
    for minutes in [0, 30, 29] {
        world.clock.advance(Duration::minutes(minutes));
        push(&world).await;
    }
    service.nothing().await;
    world.clock.advance(Duration::minutes(1));
    push(&world).await;
    let got = [service.next().await["n"].as_u64(), service.next().await["n"].as_u64()];
    assert!(got.contains(&Some(0)) && got.contains(&Some(1)), "{got:?}");
}

#[tokio::test]
async fn a_push_service_that_fails_is_asked_again_and_one_that_is_gone_is_forgotten() {
    let mut service = service!("failures");
    let world = world().await;
    let user = UserId::new();
    for (n, what) in ["busy", "broken", "gone", "refuses"].into_iter().enumerate() {
        subscribe(&world, user, &service.form(what, n)).await;
    }
    world.applied(user, Uuid::now_v7()).await;
    push(&world).await;
    let mut first = Vec::new();
    for _ in 0..4 {
        let line = service.next().await;
        first.push((line["what"].as_str().unwrap().to_owned(), line["status"].as_u64().unwrap()));
    }
    first.sort();
    let expected = [("broken", 500), ("busy", 429), ("gone", 410), ("refuses", 400)];
    assert_eq!(first, expected.map(|(what, status)| (what.to_owned(), status)));
    let labels = world.notifications.push_subscriptions(user).await.unwrap();
    assert_eq!(labels.len(), 3, "the one that is gone is forgotten");
    // The one that is broken soon, the one that is busy when it said.
    world.clock.advance(Duration::seconds(15));
    push(&world).await;
    assert_eq!(service.next().await["what"], "broken");
    service.nothing().await;
    world.clock.advance(Duration::seconds(80));
    push(&world).await;
    assert_eq!(service.next().await["what"], "busy");
    world.clock.advance(Duration::hours(2));
    push(&world).await;
    service.nothing().await;

    // A worker that dies with pushes in hand: another does them, once.
    let crashed = UserId::new();
    subscribe(&world, crashed, &service.form("ok", 7)).await;
    world.applied(crashed, Uuid::now_v7()).await;
    assert_eq!(world.notifications.lease_pushes_and_die().await, 1);
    assert_eq!(push(&world).await, 0, "the lease holds");
    world.clock.advance(Duration::seconds(61));
    assert_eq!(push(&world).await, 1);
    assert_eq!(service.next().await["n"], 7);
    // What nobody could hand over for a day is of no use any more.
    world.applied(crashed, Uuid::now_v7()).await;
    world.clock.advance(Duration::hours(25));
    push(&world).await;
    service.nothing().await;
}

#[tokio::test]
async fn a_subscription_is_checked_and_its_browser_has_one_person() {
    let service = service!("subscriptions");
    let world = world().await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let wrong = async |change: Value| {
        let mut form = json!({ "endpoint": format!("{}/ok/0", service.base), "keys": service.browsers[0] });
        for (name, value) in change.as_object().unwrap() {
            form[name] = value.clone();
        }
        let form: SubscribeForm = serde_json::from_value(form).unwrap();
        let error = world.notifications.subscribe_push(ann, Uuid::now_v7(), &form).await.unwrap_err();
        error.fields().into_iter().map(|field| field.pointer).collect::<Vec<_>>()
    };
    for endpoint in ["https://evil.example/x", "http://169.254.169.254/", "no url", "http://localhost/x"] {
        assert_eq!(wrong(json!({ "endpoint": endpoint })).await, ["/endpoint"], "{endpoint}");
    }
    assert_eq!(
        wrong(json!({ "keys": { "p256dh": "AAAA", "auth": "!" } })).await,
        ["/keys/p256dh", "/keys/auth"]
    );
    assert_eq!(wrong(json!({ "label": "x".repeat(81) })).await, ["/label"]);

    let form = service.form("ok", 0);
    let first = subscribe(&world, ann, &form).await;
    let (again, fresh) = world.notifications.subscribe_push(ann, Uuid::now_v7(), &form).await.unwrap();
    assert_eq!((again.id, fresh), (first, false), "one browser");
    assert_eq!((again.label.as_str(), again.service.as_str()), ("Browser 0", "127.0.0.1"));
    // What waited for whoever used the browser before is not for whoever uses it now.
    world.applied(ann, Uuid::now_v7()).await;
    assert_eq!(subscribe(&world, ben, &form).await, first);
    assert_eq!(push(&world).await, 0);
    assert!(world.notifications.push_subscriptions(ann).await.unwrap().is_empty());
    let gone = world.notifications.unsubscribe_push(ann, first).await;
    assert!(matches!(gone, Err(NotificationsError::NoSubscription)), "another's");
    world.notifications.unsubscribe_push(ben, first).await.unwrap();
    // Erased with everything else.
    subscribe(&world, ben, &form).await;
    let goodbye = world.event("user.erasure_requested", json!({ "user_id": ben }));
    world.deliver(&world.forgetter.clone(), &goodbye).await;
    assert_eq!(world.count("SELECT count(*) FROM notifications.push_subscriptions").await, 0);
    // Twenty at most; those that are there can be renewed.
    for n in 0..20 {
        let mut form = service.form("ok", 1);
        form.endpoint = format!("{}/ok/1?{n}", service.base);
        subscribe(&world, ann, &form).await;
    }
    let mut form = service.form("ok", 1);
    form.endpoint = format!("{}/ok/1?19", service.base);
    subscribe(&world, ann, &form).await;
    form.endpoint = format!("{}/ok/1?20", service.base);
    let refused = world.notifications.subscribe_push(ann, Uuid::now_v7(), &form).await;
    assert_eq!(refused.unwrap_err().fields()[0].pointer, "/endpoint");
}
