//! The ledger's endpoints.

use std::sync::Arc;

use actix_web::{
    App,
    http::StatusCode,
    middleware::from_fn,
    test::{TestRequest, call_service, init_service, read_body},
    web,
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::support::{World, euro, payment, settle, world};
use crate::{
    contexts::ledger::{self, Release, handlers as h},
    error::ErrorKind,
    http::{Problem, extract::SessionLookup, idempotency},
    money::BasisPoints,
    ports::payments::sandbox::Faults,
    principal::{Principal, Role, SessionId, UserId},
};

/// A token is the person's id, perhaps with what they are.
struct Tokens;

impl SessionLookup for Tokens {
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>> {
        Box::pin(async move {
            let (id, what) = token.split_once('+').unwrap_or((token, ""));
            let user_id =
                id.parse().map_err(|_| Problem::new(ErrorKind::Unauthenticated, "no such session"))?;
            Ok(Principal {
                user_id,
                session_id: SessionId::new(),
                display_name: "Somebody".into(),
                roles: if what == "operator" { vec![Role::Operator] } else { vec![Role::Student] },
                email_verified: what != "unverified",
            })
        })
    }
}

async fn call(w: &World, request: TestRequest, token: &str) -> (StatusCode, Value, Option<String>) {
    let app = App::new()
        .app_data(web::Data::new(w.ledger.clone()))
        .app_data(web::Data::new(Arc::new(Tokens) as Arc<dyn SessionLookup>))
        .app_data(web::Data::new(idempotency::Idempotency::new(w.database.clone(), w.clock.clock())))
        .wrap(from_fn(idempotency::guard))
        .route("/api/v1/me/balance", web::get().to(h::me::balance))
        .route("/api/v1/me/payout-account", web::post().to(h::me::open_account))
        .route("/api/v1/me/payouts", web::post().to(h::me::pay_out))
        .route("/api/v1/me/payouts", web::get().to(h::me::payouts))
        .route("/api/v1/me/payouts/{id}", web::get().to(h::me::payout))
        .route("/api/v1/webhooks/payments", web::post().to(h::webhooks::take))
        .route("/api/v1/ops/ledger/reconciliation", web::get().to(h::ops::reconciliation));
    let app = init_service(app).await;
    let request = request.insert_header(("authorization", format!("Bearer {token}")));
    let response = call_service(&app, request.to_request()).await;
    let status = response.status();
    let location = response.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    let body = read_body(response).await;
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null), location)
}

fn pay_out(minor: i64, key: &str) -> TestRequest {
    let body = json!({ "amount": { "amount_minor": minor, "currency": "EUR" } });
    let request = TestRequest::post().uri("/api/v1/me/payouts").set_json(body);
    if key.is_empty() { request } else { request.insert_header(("idempotency-key", key)) }
}

#[actix_web::test]
async fn a_balance_is_paid_out_once_and_only_to_its_owner() {
    let w = world(Faults::default()).await;
    let (payee, stranger) = (UserId::new(), UserId::new());
    let form = payment(5_000, payee);
    ledger::fund(&mut *w.conn().await, form.clone()).await.unwrap();
    ledger::release(&mut *w.conn().await, form.hold, Release::Whole(BasisPoints::ZERO)).await.unwrap();
    let me = payee.to_string();

    let (status, body, _) = call(&w, TestRequest::get().uri("/api/v1/me/balance"), &me).await;
    assert_eq!(status, 200);
    assert_eq!(body["balances"][0]["available"], json!({ "amount_minor": 5_000, "currency": "EUR" }));
    assert_eq!(call(&w, TestRequest::get().uri("/api/v1/me/balance"), "nobody").await.0, 401);

    assert_eq!(call(&w, pay_out(100, "k"), &format!("{me}+unverified")).await.0, 403);
    assert_eq!(call(&w, pay_out(0, ""), &me).await.0, 422);
    assert_eq!(call(&w, pay_out(5_001, ""), &me).await.0, 409);
    let (status, first, location) = call(&w, pay_out(3_000, "\"once\""), &me).await;
    assert_eq!(status, 202, "{first}");
    let (status, again, _) = call(&w, pay_out(3_000, "once"), &me).await;
    assert_eq!((status.as_u16(), &again), (202, &first));
    assert_eq!(call(&w, pay_out(2_999, "once"), &me).await.0, 422);

    let place = location.unwrap();
    assert_eq!(call(&w, TestRequest::get().uri(&place), &stranger.to_string()).await.0, 404);
    assert_eq!(call(&w, TestRequest::get().uri(&place), &me).await.1["state"], "pending");
    w.ledger.advance_payouts().await.unwrap();
    settle(&w).await;
    assert_eq!(call(&w, TestRequest::get().uri(&place), &me).await.1["state"], "paid");
    let balance = w.ledger.balance_of(payee).await.unwrap()[0];
    assert_eq!((balance.available, balance.on_its_way), (euro(2_000), euro(0)));

    // The list, by pages.
    for key in ["a", "b"] {
        assert_eq!(call(&w, pay_out(10, key), &me).await.0, 202);
    }
    let (_, page, _) = call(&w, TestRequest::get().uri("/api/v1/me/payouts?limit=2"), &me).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 2);
    let cursor = page["next_cursor"].as_str().unwrap();
    let next = format!("/api/v1/me/payouts?limit=2&cursor={cursor}");
    let (_, rest, _) = call(&w, TestRequest::get().uri(&next), &me).await;
    assert_eq!(
        (rest["items"].as_array().unwrap().len(), rest["items"][0]["id"].clone()),
        (1, first["id"].clone())
    );
    assert!(rest["next_cursor"].is_null());
    assert_eq!(call(&w, TestRequest::get().uri(&next), &stranger.to_string()).await.0, 422);
}

#[actix_web::test]
async fn reconciliation_is_for_operators_and_a_webhook_needs_its_signature() {
    let w = world(Faults::default()).await;
    let me = UserId::new().to_string();
    let ask = || TestRequest::get().uri("/api/v1/ops/ledger/reconciliation");
    assert_eq!(call(&w, ask(), &me).await.0, 403);
    let (status, body, _) = call(&w, ask(), &format!("{me}+operator")).await;
    assert_eq!((status.as_u16(), body["ok"].as_bool()), (200, Some(true)));
    let hook = TestRequest::post().uri("/api/v1/webhooks/payments").set_payload(r#"{"id":"evt_1"}"#);
    let (status, body, _) = call(&w, hook, "").await;
    assert_eq!((status.as_u16(), body["type"].as_str()), (400, Some("/problems/webhook-refused")));
}
