//! The encoder against an SDK's view of the wire: what serde reads back is what went in.

use actix_http::ws::{Codec, Frame};
use bytes::BytesMut;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio_util::codec::Decoder as _;
use uuid::Uuid;

use super::*;
use crate::principal::UserId;

fn payload(frame: &Bytes) -> String {
    let mut buffer = BytesMut::from(&frame[..]);
    match Codec::new().client_mode().max_size(1 << 24).decode(&mut buffer).unwrap().unwrap() {
        Frame::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

pub(in crate::realtime::protocol) fn value(frame: &Bytes) -> Value {
    let text = payload(frame);
    assert!(!text.contains('\n'), "one line: {text:?}");
    serde_json::from_str(&text).unwrap()
}

pub(in crate::realtime::protocol) fn any_data() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<String>().prop_map(|s| Json::of(&s).unwrap()),
        any::<i32>().prop_map(|n| Json::of(&n).unwrap()),
        prop::collection::btree_map(any::<String>(), any::<bool>(), 0..4).prop_map(|m| Json::of(&m).unwrap()),
        Just(Json::of(&Value::Null).unwrap()),
    ]
}

pub(in crate::realtime::protocol) fn any_info() -> impl Strategy<Value = ClientInfo> {
    (any::<u128>(), any::<u128>(), prop::option::of(any_data()), prop::option::of(any_data())).prop_map(
        |(user, client, conn_info, chan_info)| ClientInfo {
            user: UserId(Uuid::from_u128(user)),
            client: ClientId(Uuid::from_u128(client)),
            conn_info,
            chan_info,
        },
    )
}

pub(in crate::realtime::protocol) fn any_publication() -> impl Strategy<Value = Publication> {
    let tags = prop::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    (any::<u64>(), any_data(), prop::option::of(any_info()), tags, prop::option::of(any::<i64>())).prop_map(
        |(offset, data, info, tags, time)| Publication {
            offset,
            data,
            info,
            tags: tags.into_iter().collect(),
            time,
            veiled: None,
        },
    )
}

pub(in crate::realtime::protocol) fn any_result() -> impl Strategy<Value = SubscribeResult> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let top = (any::<u64>(), any::<String>()).prop_map(|(offset, epoch)| StreamPos { offset, epoch });
    (flags, top, prop::collection::vec(any_publication(), 0..4), prop::option::of(any_data())).prop_map(
        |((recoverable, positioned, recovered, was_recovering), top, publications, data)| SubscribeResult {
            recoverable,
            positioned,
            top,
            publications,
            recovered,
            was_recovering,
            data,
        },
    )
}

fn parsed(json: &Json) -> Value {
    serde_json::from_slice(json.as_bytes()).unwrap()
}

fn same_info(wire: &Value, info: &ClientInfo) -> bool {
    wire["user"] == info.user.to_string()
        && wire["client"] == info.client.to_string()
        && wire.get("conn_info").cloned() == info.conn_info.as_ref().map(parsed)
        && wire.get("chan_info").cloned() == info.chan_info.as_ref().map(parsed)
}

/// The field as an SDK reads it: a missing number is 0, a missing text empty, a missing flag false.
/// And a zero must be missing.
fn number(wire: &Value, name: &str) -> u64 {
    wire.get(name).map_or(0, |v| v.as_u64().filter(|n| *n != 0).expect("a zero is left out"))
}
fn flag(wire: &Value, name: &str) -> bool {
    wire.get(name).is_some_and(|v| v.as_bool().filter(|b| *b).expect("a false is left out"))
}
fn text<'a>(wire: &'a Value, name: &str) -> &'a str {
    wire.get(name).map_or("", |v| v.as_str().filter(|s| !s.is_empty()).expect("an empty text is left out"))
}

fn same_publication(wire: &Value, publication: &Publication) -> bool {
    let tags: Vec<(String, String)> =
        wire.get("tags").and_then(Value::as_object).map_or(Vec::new(), |tags| {
            tags.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect()
        });
    wire["data"] == parsed(&publication.data)
        && number(wire, "offset") == publication.offset
        && tags == publication.tags
        && number(wire, "time") == publication.time.filter(|t| *t > 0).unwrap_or(0).unsigned_abs()
        && match &publication.info {
            Some(info) => same_info(&wire["info"], info),
            None => wire.get("info").is_none(),
        }
}

fn same_result(wire: &Value, result: &SubscribeResult) -> bool {
    let empty = Vec::new();
    let publications = wire.get("publications").and_then(Value::as_array).unwrap_or(&empty);
    flag(wire, "recoverable") == result.recoverable
        && flag(wire, "positioned") == result.positioned
        && flag(wire, "recovered") == result.recovered
        && flag(wire, "was_recovering") == result.was_recovering
        && number(wire, "offset") == result.top.offset
        && text(wire, "epoch") == result.top.epoch
        && publications.len() == result.publications.len()
        && publications.iter().zip(&result.publications).all(|(w, p)| same_publication(w, p))
        && wire.get("data").cloned() == result.data.as_ref().map(parsed)
}

proptest! {
    #[test]
    fn subscribe_replies_round_trip(id in 1..u32::MAX, result in any_result()) {
        let wire = value(&reply(id, &Reply::Subscribe(&result)));
        prop_assert_eq!(wire["id"].as_u64(), Some(id.into()));
        prop_assert!(same_result(&wire["subscribe"], &result), "{} {:?}", wire, result);
    }

    #[test]
    fn publications_round_trip(publication in any_publication()) {
        let channel = Channel::of("chat", "1");
        let wire = value(&push(&channel, &Push::Publication(&publication)));
        prop_assert!(wire.get("id").is_none());
        prop_assert_eq!(&wire["push"]["channel"], "chat:1");
        prop_assert!(same_publication(&wire["push"]["pub"], &publication), "{} {:?}", wire, publication);
    }

    #[test]
    fn history_round_trips(publications in prop::collection::vec(any_publication(), 0..4), offset in any::<u64>()) {
        let top = StreamPos { offset, epoch: "e".into() };
        let wire = value(&reply(3, &Reply::History { publications: &publications, top: &top }));
        let result = SubscribeResult { publications, top, ..SubscribeResult::default() };
        prop_assert!(same_result(&wire["history"], &result));
    }

    #[test]
    fn errors_round_trip(code in 1u32..2000, message in any::<String>(), temporary in any::<bool>()) {
        let error = RtError { code, message: message.clone().into(), temporary };
        let wire = value(&reply(8, &Reply::Error(&error)));
        prop_assert_eq!(number(&wire["error"], "code"), u64::from(code));
        prop_assert_eq!(text(&wire["error"], "message"), message);
        prop_assert_eq!(flag(&wire["error"], "temporary"), temporary);
    }

    #[test]
    fn joins_and_presence_round_trip(info in any_info()) {
        let channel = Channel::of("chat", "1");
        let join = value(&push(&channel, &Push::Join(&info)));
        prop_assert!(same_info(&join["push"]["join"]["info"], &info));
        let leave = value(&push(&channel, &Push::Leave(&info)));
        prop_assert!(same_info(&leave["push"]["leave"]["info"], &info));
        let presence = value(&reply(1, &Reply::Presence(std::slice::from_ref(&info))));
        prop_assert!(same_info(&presence["presence"]["presence"][info.client.to_string()], &info));
    }

    #[test]
    fn connect_round_trips(result in any_result(), ping in 0u32..100, pong in any::<bool>(), ttl in 0u32..9) {
        let connect = ConnectResult {
            client: ClientId(Uuid::from_u128(7)),
            version: "gigsy 1".into(),
            expiry: Expiry { expires: ttl > 0, ttl },
            subs: vec![(Channel::of("user", "1"), result.clone())],
            ping,
            pong,
            session: "s".into(),
            node: String::new(),
        };
        let wire = &value(&reply(1, &Reply::Connect(&connect)))["connect"];
        prop_assert_eq!(text(wire, "client"), connect.client.to_string());
        prop_assert_eq!(number(wire, "ping"), u64::from(ping));
        prop_assert_eq!(number(wire, "ttl"), u64::from(ttl));
        prop_assert_eq!(flag(wire, "expires"), ttl > 0);
        prop_assert_eq!(flag(wire, "pong"), pong);
        prop_assert_eq!(text(wire, "node"), "");
        prop_assert!(same_result(&wire["subs"]["user:1"], &result));
    }
}

#[test]
fn the_small_replies_are_these() {
    for (frame, expected) in [
        (reply(2, &Reply::Unsubscribe), json!({"id":2,"unsubscribe":{}})),
        (reply(2, &Reply::Publish), json!({"id":2,"publish":{}})),
        (reply(2, &Reply::Ping), json!({"id":2,"ping":{}})),
        (reply(2, &Reply::Presence(&[])), json!({"id":2,"presence":{"presence":{}}})),
        (
            reply(2, &Reply::PresenceStats { clients: 3, users: 0 }),
            json!({"id":2,"presence_stats":{"num_clients":3}}),
        ),
        (reply(2, &Reply::Rpc(br#"{"a":1}"#)), json!({"id":2,"rpc":{"data":{"a":1}}})),
        (
            reply(2, &Reply::Error(&RtError::TOO_MANY_REQUESTS)),
            json!({"id":2,"error":{"code":111,"message":"too many requests","temporary":true}}),
        ),
        (
            push(&Channel::of("chat", "1"), &Push::Unsubscribe(&Unsubscribe::SERVER)),
            json!({"push":{"channel":"chat:1","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}}),
        ),
    ] {
        assert_eq!(value(&frame), expected);
    }
}
