//! The Stripe adapter: what it sends, by recorded shapes of the answers; and PyPI `localstripe` for
//! payments, signed webhooks and refunds. What neither can prove is in `docs/payments.md`.

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use chrono::Utc;
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{SOON, euro, person, secret, world};
use crate::{
    contexts::ledger::PayoutState,
    ports::payments::{
        NewPayee, NewPayment, NewPayout, NewRefund, NewTransfer, Notice, PaymentError, PaymentStatus,
        Payments, ProviderPayoutStatus, WebhookError, WebhookEvent, sandbox::Faults, stripe::Stripe,
    },
    principal::UserId,
    tests::support::{sdk::venv, skip::skip, wait::eventually},
};

#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
    form: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

#[derive(Clone, Default)]
struct Desk {
    seen: Arc<Mutex<Vec<Seen>>>,
    answers: Arc<Vec<(&'static str, u16, Value)>>,
    forward: Option<Arc<str>>,
}

/// Fields of Stripe's that localstripe refuses; left out on the way to it.
const UNKNOWN_TO_LOCALSTRIPE: [&str; 3] =
    ["transfer_group", "description", "automatic_payment_methods[enabled]"];

async fn take(desk: web::Data<Desk>, req: HttpRequest, body: web::Bytes) -> HttpResponse {
    let header =
        |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap_or_default().to_owned())
        };
    let seen = Seen {
        line: format!("{} {}", req.method(), req.path()),
        headers: req.headers().iter().map(header).collect(),
        form: serde_urlencoded::from_bytes(&body).unwrap_or_default(),
        body: body.to_vec(),
    };
    desk.seen.lock().unwrap().push(seen.clone());
    if let Some(base) = &desk.forward {
        return pass_on(base, &req, &seen).await;
    }
    match desk.answers.iter().find(|(line, ..)| *line == seen.line) {
        Some((_, status, answer)) => {
            HttpResponse::build(actix_web::http::StatusCode::from_u16(*status).unwrap()).json(answer)
        }
        None => HttpResponse::NotFound().json(json!({"error": {"type": "invalid_request_error"}})),
    }
}

async fn pass_on(base: &str, req: &HttpRequest, seen: &Seen) -> HttpResponse {
    let form: Vec<_> =
        seen.form.iter().filter(|(name, _)| !UNKNOWN_TO_LOCALSTRIPE.contains(&name.as_str())).collect();
    let client = awc::Client::default();
    let mut request = client.request(req.method().clone(), format!("{base}{}", req.path()));
    if let Some(authorization) = seen.header("authorization") {
        request = request.insert_header(("authorization", authorization));
    }
    let mut response =
        if form.is_empty() { request.send().await } else { request.send_form(&form).await }.unwrap();
    let body = response.body().await.unwrap();
    HttpResponse::build(response.status()).content_type("application/json").body(body)
}

fn open(desk: &Desk) -> (String, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let desk = desk.clone();
    let server = HttpServer::new(move || {
        App::new().app_data(web::Data::new(desk.clone())).default_service(web::to(take))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (base, handle)
}

fn stripe(base: &str) -> Stripe {
    Stripe::new(base.parse().unwrap(), "sk_test_1".into(), secret()).unwrap()
}

fn milestone() -> NewPayment {
    NewPayment {
        milestone: Uuid::now_v7(),
        amount: euro(12_500),
        transfer_group: "contract_1".into(),
        description: "Logo & letterhead".into(),
    }
}

#[actix_web::test]
async fn calls_carry_key_version_group_and_account() {
    let ours = Uuid::now_v7();
    let intent = json!({
        "id": "pi_1", "object": "payment_intent", "amount": 12_500, "currency": "eur",
        "status": "requires_payment_method", "client_secret": "pi_1_secret_x", "latest_charge": "ch_1",
        "last_payment_error": null, "metadata": {"milestone": ours.to_string()},
    });
    let desk = Desk {
        answers: Arc::new(vec![
            ("POST /v1/payment_intents", 200, intent.clone()),
            ("GET /v1/payment_intents/pi_1", 200, intent),
            ("POST /v1/transfers", 200, json!({"id": "tr_1", "amount": 11_250, "currency": "eur"})),
            ("POST /v1/refunds", 200, json!({"id": "re_1", "status": "pending"})),
            (
                "GET /v1/transfers",
                200,
                json!({"object": "list", "has_more": false, "data": [
                    {"id": "tr_0", "amount": 1, "currency": "eur", "metadata": {}},
                    {"id": "tr_1", "amount": 11_250, "currency": "eur", "metadata": {"milestone": ours.to_string()}},
                ]}),
            ),
            (
                "GET /v1/refunds",
                200,
                json!({"object": "list", "has_more": false, "data": [
                    {"id": "re_0", "status": "failed", "metadata": {"milestone": ours.to_string()}},
                    {"id": "re_1", "status": "succeeded", "metadata": {"milestone": ours.to_string()}},
                ]}),
            ),
            ("POST /v1/payouts", 200, json!({"id": "po_1", "status": "in_transit", "metadata": {}})),
            ("POST /v1/accounts", 200, json!({"id": "acct_1", "type": "express"})),
            (
                "POST /v1/account_links",
                200,
                json!({"url": "https://connect.stripe.com/setup/x", "expires_at": 1}),
            ),
            (
                "GET /v1/disputes/dp_1",
                200,
                json!({"id": "dp_1", "status": "needs_response", "payment_intent": "pi_1"}),
            ),
            (
                "GET /v1/disputes/dp_2",
                200,
                json!({"id": "dp_2", "status": "warning_needs_response", "payment_intent": "pi_1"}),
            ),
            ("GET /v1/disputes/dp_3", 200, json!({"id": "dp_3", "status": "won", "payment_intent": "pi_1"})),
            (
                "GET /v1/payouts/po_1",
                200,
                json!({"id": "po_1", "status": "paid", "metadata": {"payout": ours.to_string()}}),
            ),
        ]),
        ..Desk::default()
    };
    let (base, handle) = open(&desk);
    let provider = stripe(&base);
    let last = || desk.seen.lock().unwrap().last().unwrap().clone();

    let payment = provider.create_payment(milestone(), "pay-1").await.unwrap();
    assert_eq!(
        (payment.status, payment.milestone, payment.amount),
        (PaymentStatus::Pending, Some(ours), euro(12_500))
    );
    assert!(!format!("{payment:?}").contains("secret"));
    let seen = last();
    assert_eq!(seen.header("authorization"), Some("Bearer sk_test_1"));
    assert_eq!(seen.header("idempotency-key"), Some("pay-1"));
    assert_eq!(seen.header("stripe-version"), Some("2024-06-20"));
    assert_eq!((seen.field("amount"), seen.field("currency")), (Some("12500"), Some("eur")));
    assert_eq!(seen.field("transfer_group"), Some("contract_1"));
    assert_eq!(seen.field("description"), Some("Logo & letterhead"));

    let transfer = NewTransfer {
        milestone: ours,
        payment: "pi_1".into(),
        destination: "acct_1".into(),
        amount: euro(11_250),
        transfer_group: "contract_1".into(),
        again: false,
    };
    assert_eq!(provider.transfer(transfer.clone(), "tr-1").await.unwrap().amount, euro(11_250));
    let seen = last();
    assert_eq!((seen.field("destination"), seen.field("source_transaction")), (Some("acct_1"), Some("ch_1")));
    assert_eq!(
        (seen.field("transfer_group"), seen.header("idempotency-key")),
        (Some("contract_1"), Some("tr-1"))
    );

    // Asked for before, perhaps too long ago for the key: what is there is found, and nothing is made.
    let made = |what: &str| {
        let seen = desk.seen.lock().unwrap();
        seen.iter().filter(|call| call.line == format!("POST /v1/{what}")).count()
    };
    let again = NewTransfer { again: true, ..transfer };
    assert_eq!(provider.transfer(again.clone(), "tr-1").await.unwrap().id, "tr_1");
    // With another fee by now: what was sent is told.
    let less = NewTransfer { amount: euro(10_000), ..again.clone() };
    assert_eq!(provider.transfer(less, "tr-1").await.unwrap().amount, euro(11_250));
    assert_eq!(made("transfers"), 1);
    let another = NewTransfer { milestone: Uuid::now_v7(), ..again };
    provider.transfer(another, "tr-2").await.unwrap();
    assert_eq!(made("transfers"), 2);

    let refund = NewRefund { milestone: ours, payment: "pi_1".into(), amount: euro(500), again: false };
    assert!(!provider.refund(refund.clone(), "re-1").await.unwrap().succeeded);
    let found = provider.refund(NewRefund { again: true, ..refund }, "re-1").await.unwrap();
    assert_eq!((found.id.as_str(), found.succeeded, made("refunds")), ("re_1", true, 1));
    let payout = NewPayout { payout: ours, account: "acct_1".into(), amount: euro(500) };
    assert_eq!(provider.payout(payout, "po-1").await.unwrap().status, ProviderPayoutStatus::Pending);
    assert_eq!((last().header("stripe-account"), last().field("amount")), (Some("acct_1"), Some("500")));
    let payee = |account: Option<&str>| NewPayee {
        user: UserId(ours),
        account: account.map(str::to_owned),
        return_url: "https://g.test/".into(),
        refresh_url: "https://g.test/".into(),
    };
    let keys = || {
        let seen = desk.seen.lock().unwrap();
        let accounts = seen.iter().filter(|call| call.line == "POST /v1/accounts");
        accounts.filter_map(|call| call.header("idempotency-key").map(str::to_owned)).collect::<Vec<_>>()
    };
    let opened = provider.onboard(payee(None), "payee-1").await.unwrap();
    assert_eq!((opened.account.as_str(), last().header("idempotency-key")), ("acct_1", None));
    let of_accounts = |call: &&Seen| call.line == "POST /v1/accounts";
    let form = desk.seen.lock().unwrap().iter().find(of_accounts).unwrap().clone();
    assert_eq!(form.field("settings[payouts][schedule][interval]"), Some("manual"));
    assert_eq!(form.field("capabilities[transfers][requested]"), Some("true"));
    provider.onboard(payee(None), "payee-1").await.unwrap();
    let mut another = payee(None);
    another.user = UserId::new();
    provider.onboard(another, "payee-1").await.unwrap();
    let all = keys();
    assert!(all.len() == 3 && all[0] == all[1] && all[0].starts_with("payee-1-"), "{all:?}");
    assert_ne!(all[1], all[2], "another request has another key");
    // An account that is known is not opened again: past a day Stripe would not know the key.
    let again = provider.onboard(payee(Some("acct_1")), "payee-1").await.unwrap();
    assert_eq!((again.account.as_str(), keys().len()), ("acct_1", 3));

    let event = |kind: &str, object: &str| WebhookEvent {
        id: "evt_1".into(),
        kind: kind.into(),
        object_id: object.into(),
        account: Some("acct_1".into()),
    };
    let told = provider.resolve(&event("charge.dispute.created", "dp_1")).await.unwrap();
    assert!(matches!(told, Notice::ChargedBack { dispute, .. } if dispute == "dp_1"));
    assert_eq!(provider.resolve(&event("charge.dispute.created", "dp_2")).await.unwrap(), Notice::Nothing);
    assert_eq!(provider.resolve(&event("charge.dispute.closed", "dp_3")).await.unwrap(), Notice::Nothing);
    let told = provider.resolve(&event("payout.paid", "po_1")).await.unwrap();
    assert!(
        matches!(told, Notice::Payout { payout, status: ProviderPayoutStatus::Paid, .. } if payout == ours)
    );
    assert_eq!(last().header("stripe-account"), Some("acct_1"));
    // An id that would lead elsewhere is not asked for.
    let asked = desk.seen.lock().unwrap().len();
    for object in ["../accounts/acct_1", "pi_1?expand", ""] {
        let refused = provider.resolve(&event("payment_intent.succeeded", object)).await;
        assert!(matches!(refused, Err(PaymentError::NotFound)), "{object}");
    }
    assert_eq!(desk.seen.lock().unwrap().len(), asked);
    handle.stop(false).await;
    // Nobody there: the same call may be made again.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let away = stripe(&format!("http://127.0.0.1:{port}"));
    let error = away.create_payment(milestone(), "pay-2").await.unwrap_err();
    assert!(error.is_temporary(), "{error:?}");
}

#[actix_web::test]
async fn a_payout_that_stripe_refuses_is_back_in_the_balance() {
    let w = world(Faults::default()).await;
    let payee = w.payee_with(1_000).await;
    let who = person(payee);
    let refusal =
        json!({"error": {"type": "invalid_request_error", "code": "balance_insufficient", "message": "x"}});
    let refusing = Desk {
        answers: Arc::new(vec![
            ("POST /v1/accounts", 200, json!({"id": "acct_1"})),
            ("POST /v1/account_links", 200, json!({"url": "https://connect.stripe.com/setup/x"})),
            ("POST /v1/payouts", 400, refusal),
        ]),
        ..Desk::default()
    };
    let (base, handle) = open(&refusing);
    let ledger = w.with(stripe(&base));
    ledger.onboard(&who).await.unwrap();
    let all = serde_json::from_value(json!({ "amount": euro(1_000) })).unwrap();
    let first = ledger.request_payout(&who, &all, "first").await.unwrap();
    assert_eq!(ledger.balance_of(payee).await.unwrap()[0].available, euro(0));
    ledger.advance_payouts().await.unwrap();
    assert_eq!(ledger.payout_of(payee, first.id).await.unwrap().state, PayoutState::Failed);
    let balance = ledger.balance_of(payee).await.unwrap()[0];
    assert_eq!((balance.available, balance.on_its_way), (euro(1_000), euro(0)));
    // It is not asked for again.
    assert_eq!(ledger.advance_payouts().await.unwrap(), 0);
    handle.stop(false).await;

    let paying = Desk {
        answers: Arc::new(vec![("POST /v1/payouts", 200, json!({"id": "po_2", "status": "paid"}))]),
        ..Desk::default()
    };
    let (base, handle) = open(&paying);
    let ledger = w.with(stripe(&base));
    let second = ledger.request_payout(&who, &all, "second").await.unwrap();
    assert_eq!(ledger.advance_payouts().await.unwrap(), 1);
    assert_eq!(ledger.payout_of(payee, second.id).await.unwrap().state, PayoutState::Paid);
    let seen = paying.seen.lock().unwrap().last().unwrap().clone();
    assert_eq!(seen.header("idempotency-key"), Some(format!("payout-{}", second.id).as_str()));
    assert!(ledger.reconciliation().await.unwrap().ok);
    handle.stop(false).await;
}

struct LocalStripe(Child);

impl Drop for LocalStripe {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[actix_web::test]
async fn localstripe_takes_payments_signs_webhooks_and_refunds() {
    const NAME: &str = "ledger::stripe::localstripe_takes_payments_signs_webhooks_and_refunds";
    let python = venv("python");
    let there = Command::new(&python).args(["-c", "import localstripe"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        skip!(NAME, "localstripe is not installed (scripts/setup-tests)");
    }
    // It has no port 0: one that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let child = Command::new(&python)
        .args(["-m", "localstripe", "--from-scratch", "--port", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _localstripe = LocalStripe(child);
    let base = format!("http://127.0.0.1:{port}");
    let client = awc::Client::builder().timeout(Duration::from_secs(10)).finish();
    let raw = async |path: &str, form: &[(&str, &str)]| {
        let request = client.post(format!("{base}{path}")).bearer_auth("sk_test_1");
        let mut response = request.send_form(&form).await.map_err(|e| e.to_string())?;
        let body = response.body().await.map_err(|e| e.to_string())?;
        if response.status().is_success() {
            Ok(serde_json::from_slice::<Value>(&body).unwrap_or(Value::Null))
        } else {
            Err(format!("{}: {}", response.status(), String::from_utf8_lossy(&body)))
        }
    };
    let hook = Desk { answers: Arc::new(vec![("POST /hook", 200, json!({}))]), ..Desk::default() };
    let (hook_base, _hook) = open(&hook);
    let hook_url = format!("{hook_base}/hook");
    let register = [("url", hook_url.as_str()), ("secret", "whsec_test")];
    let mut answer = Err(String::new());
    for _ in 0..200 {
        answer = raw("/_config/webhooks/gigsy", &register).await;
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(SOON).await;
    }
    answer.expect("localstripe answers");

    let between = Desk { forward: Some(base.as_str().into()), ..Desk::default() };
    let (through, _between) = open(&between);
    let provider = stripe(&through);
    let new = milestone();
    let payment = provider.create_payment(new.clone(), "pay-1").await.unwrap();
    assert_eq!((payment.status, payment.milestone), (PaymentStatus::Pending, Some(new.milestone)));
    assert!(payment.client_secret.is_some());

    // What the client's browser would do.
    let card = [
        ("type", "card"),
        ("card[number]", "4242424242424242"),
        ("card[exp_month]", "12"),
        ("card[exp_year]", "2040"),
        ("card[cvc]", "123"),
    ];
    let method = raw("/v1/payment_methods", &card).await.unwrap();
    // (Stripe takes both in one call; this stand-in wants the method first.)
    let with = [("payment_method", method["id"].as_str().unwrap())];
    raw(&format!("/v1/payment_intents/{}", payment.id), &with).await.unwrap();
    raw(&format!("/v1/payment_intents/{}/confirm", payment.id), &[]).await.unwrap();

    let told = || {
        hook.seen
            .lock()
            .unwrap()
            .iter()
            .find(|seen| String::from_utf8_lossy(&seen.body).contains("payment_intent.succeeded"))
            .cloned()
    };
    let seen = eventually("the webhook comes", Duration::from_secs(10), async || told()).await;
    let signature = seen.header("stripe-signature");
    let event = provider.verify_webhook(&seen.body, signature, Utc::now()).unwrap();
    assert_eq!(
        (event.kind.as_str(), event.object_id.as_str()),
        ("payment_intent.succeeded", payment.id.as_str())
    );
    let mut forged = seen.body.clone();
    let at = forged.iter().position(|byte| byte.is_ascii_digit()).unwrap();
    forged[at] ^= 1;
    assert_eq!(provider.verify_webhook(&forged, signature, Utc::now()), Err(WebhookError::BadSignature));
    let Notice::Payment(now) = provider.resolve(&event).await.unwrap() else { panic!("no payment") };
    assert_eq!(
        (now.status, now.milestone, now.amount),
        (PaymentStatus::Succeeded, Some(new.milestone), euro(12_500))
    );

    let refund = NewRefund {
        milestone: new.milestone,
        payment: payment.id.clone(),
        amount: euro(2_500),
        again: false,
    };
    assert!(provider.refund(refund, "re-1").await.unwrap().succeeded);
    let too_much =
        NewRefund { milestone: new.milestone, payment: "pi_none".into(), amount: euro(1), again: false };
    assert!(provider.refund(too_much, "re-2").await.is_err());
}
