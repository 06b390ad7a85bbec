//! `kill -9` of the server at random points of a money flow: afterwards the books balance, every hold is
//! what its milestone says, and every event took effect once.
//!
//! `GIGSY_TEST_KILLS` says how often it is killed.

use std::{cell::Cell, rc::Rc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    contexts::ledger,
    tests::support::{
        server::{PASSWORD, Person, Server, text},
        sql,
        wait::{eventually, within},
    },
};

/// Kills, where the environment does not say.
const KILLS: u32 = 5;
/// Contracts that go on at the same time.
const COUPLES: usize = 5;
/// A provider at its worst: answers and webhooks get lost, come twice and out of order.
const PROVIDER: &[(&str, &str)] = &[
    ("GIGSY_SANDBOX_DELAY_MS", "20"),
    ("GIGSY_SANDBOX_REFUSE", "10"),
    ("GIGSY_SANDBOX_LOSE", "10"),
    ("GIGSY_SANDBOX_DUPLICATE", "30"),
    ("GIGSY_SANDBOX_REORDER", "30"),
];

/// What the books must say when everything is quiet: each query counts what is wrong.
const WRONG: &[(&str, &str)] = &[
    (
        "a step without its event, or an event of no step",
        "select count(*) as n from (select entity_id::text, version from gigs.history
           where not (transition = 'create' and machine in ('gig', 'milestone'))) h
         full join (select aggregate, version from platform.outbox where context = 'gigs'
           and subject not in ('payment.returned', 'review.published')
           and not (subject = 'payment.charged_back' and envelope->'data'->>'late' = 'true')) o
           on o.aggregate = h.entity_id and o.version = h.version
         where h.entity_id is null or o.aggregate is null",
    ),
    (
        "an event recorded twice",
        "select count(*) as n from (select from platform.outbox where context = 'gigs'
         group by aggregate, version having count(*) > 1) twice",
    ),
    (
        "an event that a consumer did not handle",
        "select count(*) as n from platform.outbox o join platform.consumers c
           on exists (select from unnest(c.subjects) s where o.subject like replace(s, '*', '%'))
         left join platform.inbox i on i.consumer = c.name and i.event_id = o.id
         where i.handled_at is null",
    ),
    ("a dead letter", "select count(*) as n from platform.dead_letters"),
    (
        "a contract's news that its room does not have, or has twice",
        "select count(*) as n from platform.outbox o left join lateral (
           select count(*) as said from chat.events e where e.sender_id = '00000000-0000-0000-0000-000000000000'
           and e.client_msg_id = '#' || replace(o.id::text, '-', '')) e on true
         where o.subject in ('contract.created', 'contract.activated', 'contract.completed', 'contract.ended',
           'contract.cancelled', 'milestone.funded', 'milestone.submitted', 'milestone.changes_requested',
           'milestone.approved', 'milestone.released', 'milestone.refund_requested', 'milestone.refunded',
           'payment.failed', 'payment.returned') and e.said <> 1",
    ),
    (
        "a milestone whose hold is not what its state says",
        "select count(*) as n from gigs.milestones m left join ledger.holds h on h.id = m.id
         left join ledger.resolutions r on r.hold_id = m.id
         where (m.state in ('funded', 'submitted', 'changes_requested', 'approved', 'releasing',
                            'refund_pending', 'disputed')
                and (h.amount_minor is distinct from m.amount_minor or r.hold_id is not null))
            or (m.state in ('planned', 'funding', 'cancelled') and h.id is not null)
            or (m.state = 'released' and r.kind is distinct from 'release')
            or (m.state = 'refunded' and r.kind is distinct from 'refund')",
    ),
    (
        "a hold of nobody that was not given back",
        "select count(*) as n from ledger.holds h left join ledger.resolutions r on r.hold_id = h.id
         where not exists (select from gigs.milestones m where m.id = h.id) and r.kind is distinct from 'refund'",
    ),
    (
        "a payment at the provider that we know nothing of",
        "select count(*) as n from sandbox.objects o left join ledger.holds h on h.provider_ref = o.id
         where o.kind = 'payment' and o.succeeds and h.id is null",
    ),
    (
        "a transfer that is not its release, or a release without one",
        "select count(*) as n from (select reference, sum(amount_minor) as amount, count(*) as times
           from sandbox.objects where kind = 'transfer' group by reference) t
         full join (select hold_id, released_minor from ledger.resolutions where kind = 'release') r
           on r.hold_id = t.reference
         where t.times is distinct from 1 or t.amount is distinct from r.released_minor",
    ),
    (
        "a refund that is not in the books, or not at the provider",
        "select abs((select coalesce(sum(amount_minor), 0) from sandbox.objects where kind = 'refund')
           - (select coalesce(sum(refunded_minor), 0) from ledger.resolutions))::bigint as n",
    ),
    (
        "a payout that the provider has otherwise",
        "select count(*) as n from ledger.payouts p left join sandbox.objects o
           on o.kind = 'payout' and o.reference = p.id
         where o.amount_minor is distinct from p.amount_minor",
    ),
    (
        "a counter that is not its rows",
        "select count(*) as n from gigs.gigs g where
           applications_count <> (select count(*) from gigs.applications a
             where a.gig_id = g.id and a.state <> 'withdrawn')
           or accepted <> (select count(*) from gigs.contracts c where c.gig_id = g.id)",
    ),
];

/// What is still under way.
const OPEN: &str =
    "select (select count(*) from platform.outbox where published_at is null or received_at is null)
    + (select count(*) from platform.inbox where handled_at is null and died_at is null)
    + (select count(*) from gigs.timers where machine = 'job' and task <> 'publish_reviews')
    + (select count(*) from sandbox.webhooks where delivered_at is null)
    + (select count(*) from ledger.payouts p where not exists
        (select from ledger.payout_outcomes o where o.payout_id = p.id)) as n";

struct Couple {
    client: Person,
    student: Person,
}

#[actix_web::test]
async fn kill_9_at_random_points_of_a_money_flow_loses_and_doubles_nothing() {
    let kills = std::env::var("GIGSY_TEST_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS);
    let mut server = Server::start(PROVIDER).await;
    let couples = couples(&server).await;
    let stop = Rc::new(Cell::new(false));
    let work: Vec<_> =
        couples.into_iter().map(|couple| actix_web::rt::spawn(contracts(couple, stop.clone()))).collect();
    for n in 0..kills {
        // From in the middle of the start's own work to a whole contract.
        let pause = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) * if n % 4 == 0 { 1 } else { 5 };
        tokio::time::sleep(Duration::from_millis(150 + pause)).await;
        server.kill9();
        server.restart().await;
    }
    let last = sql::number(&server, "select count(*) as n from gigs.contracts").await;
    eventually("a few more contracts", Duration::from_secs(60), || async {
        (sql::number(&server, "select count(*) as n from gigs.contracts").await > last + 2).then_some(())
    })
    .await;
    stop.set(true);
    within("everybody stops", Duration::from_secs(60), join_all(work)).await;
    eventually("everything has ended that goes on by itself", Duration::from_secs(150), || async {
        // What a killed worker had leased waits for a minute; nobody needs to wait with it.
        let now = "update gigs.timers set due_at = now() where machine = 'job' and task <> 'publish_reviews'";
        sql::execute(&server, &[now.to_owned()]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        (sql::number(&server, OPEN).await == 0).then_some(())
    })
    .await;

    let report = {
        let database = sql::attach(&server).await;
        ledger::reconcile(&mut database.conn().await.unwrap()).await.unwrap()
    };
    assert!(report.ok, "{report:?}");
    for (what, query) in WRONG {
        assert_eq!(sql::number(&server, query).await, 0, "{what}");
    }
    let count = async |what: &str| sql::number(&server, &format!("select count(*) as n from {what}")).await;
    let (contracts, released) =
        (count("gigs.contracts").await, count("gigs.milestones where state = 'released'").await);
    let (events, payouts) = (count("platform.outbox").await, count("ledger.payouts").await);
    let returned = count("platform.outbox where subject = 'payment.returned'").await;
    eprintln!(
        "{kills} kills: {contracts} contracts, {released} milestones released, {payouts} payouts, {returned} \
         payments returned, {events} events; {:?}",
        report.currencies
    );
    assert!(released > 0 && contracts > 2, "nothing moved");
}

async fn couples(server: &Server) -> Vec<Couple> {
    let person = async |role: &str| {
        let email = format!("{role}-{}@example.test", uuid::Uuid::now_v7().simple());
        let body = json!({"email": email, "password": PASSWORD, "display_name": role, "role": role});
        server.api().post("/api/v1/auth/register", &body).await.expect(201);
        email
    };
    let mut emails = Vec::new();
    for _ in 0..COUPLES {
        emails.push((person("client").await, person("student").await));
    }
    sql::execute(server, &["update identity.users set email_verified_at = now()".to_owned()]).await;
    let mut couples = Vec::new();
    for (client, student) in emails {
        let client = server.sign_in(&client, PASSWORD).await;
        couples.push(Couple { client, student: server.sign_in(&student, PASSWORD).await });
    }
    couples
}

/// Makes contracts and does with them whatever is allowed, until told to stop. What a kill leaves open is
/// asked for again, as people do.
async fn contracts(couple: Couple, stop: Rc<Cell<bool>>) {
    while !stop.get() {
        let Some(contract) = hire(&couple, &stop).await else { return };
        live_through(&couple, &contract, &stop).await;
    }
}

/// Calls until there is an answer that is one of `fine`; `None` once it is time to stop.
async fn insist(
    person: &Person,
    path: &str,
    body: &Value,
    fine: &[u16],
    stop: &Cell<bool>,
) -> Option<(u16, Value)> {
    while !stop.get() {
        match person.api.try_call("POST", path, Some(body)).await {
            Ok(answer) if fine.contains(&answer.status) => return Some((answer.status, answer.json)),
            Ok(answer) => assert!([500, 503].contains(&answer.status), "{path}: {}", answer.text),
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    None
}

async fn read(person: &Person, path: &str, stop: &Cell<bool>) -> Option<Value> {
    while !stop.get() {
        if let Ok(answer) = person.api.try_call("GET", path, None).await {
            if answer.status == 200 {
                return Some(answer.json);
            }
            assert_eq!(answer.status, 503, "{path}: {}", answer.text);
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    None
}

async fn hire(couple: &Couple, stop: &Cell<bool>) -> Option<String> {
    let Couple { client, student } = couple;
    let (none, done) = (json!({}), &[200, 409][..]);
    let form = json!({
        "title": "A poster", "description": "For the concert", "skills": ["design"],
        "budget": {"amount_minor": 12_500, "currency": "EUR"},
    });
    let gig = text(&insist(client, "/api/v1/gigs", &form, &[201], stop).await?.1, "/id");
    insist(client, &format!("/api/v1/gigs/{gig}/post"), &none, done, stop).await?;
    let applying = format!("/api/v1/gigs/{gig}/applications");
    insist(student, &applying, &json!({"proposal": "I draw"}), &[201, 409], stop).await?;
    let application = text(&read(student, &applying, stop).await?, "/items/0/id");
    let step = |step: &str| format!("/api/v1/applications/{application}/{step}");
    insist(client, &step("shortlist"), &none, done, stop).await?;
    let parts = json!({"milestones": [
        {"title": "Draft", "amount": {"amount_minor": 1_003, "currency": "EUR"}},
        {"title": "Poster", "amount": {"amount_minor": 7_777, "currency": "EUR"}},
    ]});
    insist(client, &step("offer"), &parts, done, stop).await?;
    insist(student, &step("accept"), &none, done, stop).await?;
    let application = read(student, &format!("/api/v1/applications/{application}"), stop).await?;
    Some(text(&application, "/contract_id"))
}

/// Takes any step that is allowed to one of the two, again and again, until the contract has ended.
async fn live_through(couple: &Couple, contract: &str, stop: &Cell<bool>) {
    let path = format!("/api/v1/contracts/{contract}");
    loop {
        let dice = *uuid::Uuid::new_v4().as_bytes();
        let who = if dice[0].is_multiple_of(2) { &couple.client } else { &couple.student };
        let Some(seen) = read(who, &path, stop).await else { return };
        if ["completed", "ended", "cancelled"].contains(&text(&seen, "/state").as_str()) {
            let amount = json!({"amount": {"amount_minor": 100 + i64::from(dice[1]), "currency": "EUR"}});
            insist(&couple.student, "/api/v1/me/payouts", &amount, &[202, 409, 422], stop).await;
            return;
        }
        // Nobody rules here: disputes would stay open. Contracts are called off now and then.
        let calm = |step: &&str| *step != "dispute" && (*step != "request_refund" || dice[2] < 60);
        let allowed = |thing: &Value| -> Vec<String> {
            let all = thing["allowed_transitions"].as_array().cloned().unwrap_or_default();
            all.iter().filter_map(Value::as_str).filter(calm).map(str::to_owned).collect()
        };
        let milestone = &seen["milestones"][usize::from(dice[3] % 2)];
        let mut steps: Vec<String> = allowed(milestone)
            .into_iter()
            .map(|step| format!("/api/v1/milestones/{}/{step}", text(milestone, "/id")))
            .collect();
        if dice[4] < 6 {
            steps.extend(allowed(&seen).into_iter().map(|step| format!("{path}/{step}")));
        }
        match steps.get(usize::from(dice[5]) % steps.len().max(1)) {
            Some(step) => drop(insist(who, step, &json!({}), &[200, 409], stop).await),
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
