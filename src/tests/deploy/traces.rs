//! Traces at a collector: a request, the actors it reaches and the events it causes are one trace, and
//! who asked for none is in none.

use std::time::Duration;

use serde_json::{Value, json};

use crate::tests::support::{
    certificate::Certificate,
    database::TestDatabase,
    server::{PASSWORD, Server},
    sink::{Behaviour, Sink, TOKEN},
    skip::skip,
    wait::eventually,
};

const LIMIT: Duration = Duration::from_secs(60);
/// Who asks: a caller's trace, and its span.
const CALLER: &str = "b7ad6b7169203331";

/// Every span of a trace that the collector has.
fn spans(sink: &Sink, trace: &str) -> Vec<Value> {
    let documents = sink.documents();
    let resources =
        documents.iter().flat_map(|(_, d)| d["resourceSpans"].as_array().cloned().unwrap_or_default());
    let spans = resources.flat_map(|r| r["scopeSpans"][0]["spans"].as_array().cloned().unwrap_or_default());
    spans.filter(|span| span["traceId"] == trace).collect()
}

fn named<'a>(spans: &'a [Value], name: &str) -> Option<&'a Value> {
    spans.iter().find(|span| span["name"].as_str().is_some_and(|n| n.starts_with(name)))
}

fn attribute<'a>(span: &'a Value, key: &str) -> &'a Value {
    let found = span["attributes"].as_array().and_then(|all| all.iter().find(|a| a["key"] == key));
    found.map_or(&Value::Null, |attribute| &attribute["value"])
}

#[actix_web::test]
async fn a_request_the_actors_it_reaches_and_the_events_it_causes_are_one_trace() {
    if !Certificate::can_be_made() {
        skip!("traces at a collector", "no openssl");
    }
    let sink = Sink::start();
    let database = TestDatabase::new();
    let (url, endpoint) = (database.url().to_string(), format!("{}otlp/", sink.url()));
    let headers = format!("authorization=Bearer%20{TOKEN}");
    let server = Server::start(&[
        ("DATABASE_URL", url.as_str()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
        ("OTEL_SERVICE_NAME", "gigsy-under-test"),
        ("SSL_CERT_FILE", sink.certificate.cert.to_str().expect("a plain path")),
    ])
    .await;
    let ask = async |path: &str, trace: &str, flags: &str, body: Value, token: Option<&str>| {
        let parent = format!("00-{trace}-{CALLER}-{flags}");
        let api = crate::tests::support::api::Api::new(server.base(), token);
        let answer = api.try_with("POST", path, &[("traceparent", &parent)], Some(&body)).await;
        answer.expect("an answer").expect(201)
    };

    // A registration tells others by an event.
    let registering = "0af7651916cd43dd8448eb211c80319c";
    let form = json!({"email": "ada@example.test", "password": PASSWORD, "display_name": "Ada"});
    ask("/api/v1/auth/register", registering, "01", form, None).await;
    let ada = server.sign_in("ada@example.test", PASSWORD).await;
    let found = eventually("the registration, its event and what acted on it", LIMIT, || async {
        let spans = spans(&sink, registering);
        (named(&spans, "publish ").is_some()
            && named(&spans, "process ").is_some()
            && named(&spans, "POST").is_some())
        .then_some(spans)
    })
    .await;
    let request = named(&found, "POST /api/v1/auth/register").expect("named by its route");
    assert_eq!((request["parentSpanId"].as_str(), request["kind"].as_u64()), (Some(CALLER), Some(2)));
    assert_eq!(attribute(request, "http.response.status_code")["intValue"], "201");
    for (name, kind) in [("publish ", 4), ("process ", 5)] {
        let span = named(&found, name).expect("found");
        assert_eq!((&span["parentSpanId"], &span["kind"]), (&request["spanId"], &json!(kind)), "{span}");
    }
    let number =
        |span: &Value, field: &str| span[field].as_str().and_then(|n| n.parse::<u64>().ok()).expect("a time");
    for span in &found {
        assert!(number(span, "startTimeUnixNano") <= number(span, "endTimeUnixNano"), "{span}");
        assert_eq!(span["spanId"].as_str().map(str::len), Some(16), "{span}");
    }

    // A message reaches its room's actor.
    let room = server.room(&ada, &[]).await;
    let saying = "1af7651916cd43dd8448eb211c80319c";
    let path = format!("/api/v1/chat/rooms/{room}/messages");
    let body = json!({"client_msg_id": "traced-1", "body": "traced"});
    ask(&path, saying, "01", body, Some(&ada.token)).await;
    let found = eventually("the request and the actor's turn", LIMIT, || async {
        let spans = spans(&sink, saying);
        (named(&spans, "chat_room ").is_some() && named(&spans, "POST").is_some()).then_some(spans)
    })
    .await;
    let request = named(&found, "POST /api/v1/chat/rooms/{id}/messages").expect("named by its route");
    let turn = named(&found, "chat_room ").expect("found");
    assert_eq!((&turn["parentSpanId"], &turn["kind"]), (&request["spanId"], &json!(1)), "{turn}");

    // A caller who decided against a trace gets none; later ones show that it would have come by now.
    let (unwanted, later) = ("2af7651916cd43dd8448eb211c80319c", "3af7651916cd43dd8448eb211c80319c");
    let body = |n: u32| json!({"client_msg_id": format!("traced-{n}"), "body": "traced"});
    ask(&path, unwanted, "00", body(2), Some(&ada.token)).await;
    ask(&path, later, "01", body(3), Some(&ada.token)).await;
    eventually("the later one", LIMIT, || async { named(&spans(&sink, later), "POST").map(drop) }).await;
    assert_eq!(spans(&sink, unwanted), Vec::<Value>::new());

    let (path, document) = sink.documents().remove(0);
    assert_eq!(path, "/otlp/v1/traces");
    let resource = document["resourceSpans"][0]["resource"].clone();
    assert_eq!(attribute(&resource, "service.name")["stringValue"], "gigsy-under-test");
    assert_eq!(sink.wrong(), Vec::<String>::new());

    // A collector that is away costs nobody an answer.
    sink.behave(Behaviour::Stall);
    ask(&path_of(&room), later, "01", body(4), Some(&ada.token)).await;
    eventually("a call is stalled", LIMIT, || async { (sink.stalled().0 == 1).then_some(()) }).await;
    for n in 5..25 {
        ask(&path_of(&room), later, "01", body(n), Some(&ada.token)).await;
    }
    assert_eq!(sink.stalled(), (1, 1), "requests waited for the collector");
}

fn path_of(room: &str) -> String {
    format!("/api/v1/chat/rooms/{room}/messages")
}
