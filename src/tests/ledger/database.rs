//! What the database itself refuses, whatever the code does; and what each call answers.

use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use super::support::{World, euro, fee, payment, world};
use crate::{
    contexts::ledger::{
        self, LedgerError, PayoutOutcome, PayoutState, Posted, Release, ReleaseSplit, ResolutionKind,
    },
    money::{BasisPoints, Currency, Money},
    ports::payments::sandbox::Faults,
    postgres::DbError,
    principal::UserId,
};

async fn refused(world: &World, sql: &str) -> String {
    let error = world.conn().await.batch_execute(sql).await.expect_err(sql);
    match DbError::from(error) {
        DbError::CheckViolation { constraint }
        | DbError::UniqueViolation { constraint }
        | DbError::ForeignKey { constraint } => constraint,
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test]
async fn rows_never_change() {
    let world = world(Faults::default()).await;
    let form = payment(10_000, UserId::new());
    ledger::fund(&mut *world.conn().await, form.clone()).await.unwrap();
    ledger::release(&mut *world.conn().await, form.hold, Release::Whole(fee())).await.unwrap();
    for sql in [
        "update ledger.entries set amount_minor = amount_minor * 2",
        "delete from ledger.entries",
        "truncate ledger.entries",
        "update ledger.transactions set kind = 'refund'",
        "update ledger.holds set amount_minor = 1",
        "delete from ledger.resolutions",
        "truncate ledger.accounts cascade",
        "update ledger.accounts set balance_minor = balance_minor + 1 where owner_id is not null",
        "delete from ledger.accounts",
        // A posted transaction takes no further lines, balanced or not.
        "insert into ledger.entries select transaction_id, line + 10, account_id, currency, amount_minor
            from ledger.entries",
    ] {
        assert_eq!(refused(&world, sql).await, "ledger_immutable", "{sql}");
    }
    assert!(world.ledger.reconciliation().await.unwrap().ok);
}

/// A transaction with one line of `amount` for each named account.
fn posting(lines: &[(&str, Option<Uuid>, &str, i64)]) -> String {
    let id = Uuid::now_v7();
    let mut sql = format!(
        "begin; insert into ledger.transactions (id, kind, subject_id) values ('{id}', 'fund', '{id}');"
    );
    for (line, (kind, owner, currency, amount)) in lines.iter().enumerate() {
        let owner = owner.map_or("null".to_owned(), |owner| format!("'{owner}'"));
        sql += &format!(
            "insert into ledger.accounts (id, kind, owner_id, currency)
                values (gen_random_uuid(), '{kind}', {owner}, '{currency}') on conflict do nothing;
             insert into ledger.entries select '{id}', {line}, id, '{currency}', {amount} from ledger.accounts
                where kind = '{kind}' and owner_id is not distinct from {owner}::uuid and currency = '{currency}';"
        );
    }
    sql + "commit"
}

#[tokio::test]
async fn what_does_not_add_up_is_refused_at_commit() {
    let world = world(Faults::default()).await;
    let somebody = Some(Uuid::now_v7());
    for (lines, why) in [
        (vec![("provider", None, "EUR", -5), ("user", somebody, "EUR", 4)], "ledger_balanced"),
        // Zero over all, but not in each currency.
        (vec![("provider", None, "EUR", -5), ("user", somebody, "USD", 5)], "ledger_balanced"),
        (vec![], "ledger_balanced"),
        (vec![("user", somebody, "EUR", -5), ("provider", None, "EUR", 5)], "ledger_not_negative"),
        // Money for a hold that there is none of.
        (vec![("provider", None, "EUR", -5), ("hold", Some(Uuid::now_v7()), "EUR", 5)], "ledger_hold_agrees"),
    ] {
        assert_eq!(refused(&world, &posting(&lines)).await, why, "{lines:?}");
    }
    let sound = [("provider", None, "EUR", -5), ("user", somebody, "EUR", 5)];
    world.conn().await.batch_execute(&posting(&sound)).await.unwrap();
}

#[tokio::test]
async fn a_hold_resolves_once_and_every_cent_is_somewhere() {
    let world = world(Faults::default()).await;
    let payee = UserId::new();
    let form = payment(10_001, payee);
    let conn = &mut *world.conn().await;
    assert_eq!(ledger::fund(conn, form.clone()).await.unwrap(), Posted::Now);
    assert_eq!(ledger::fund(conn, form.clone()).await.unwrap(), Posted::Before);
    let mut second = form.clone();
    second.provider_ref = "pi_other".into();
    assert!(matches!(ledger::fund(conn, second).await, Err(LedgerError::HoldExists)));
    let mut elsewhere = form.clone();
    elsewhere.hold = Uuid::now_v7();
    assert!(matches!(ledger::fund(conn, elsewhere).await, Err(LedgerError::HoldExists)));
    let balance = ledger::balance(conn, payee).await.unwrap();
    assert_eq!((balance[0].held, balance[0].available), (euro(10_001), euro(0)));

    let wrong = ReleaseSplit { to_payee: euro(1), fee: euro(1), refund: euro(1) };
    assert!(matches!(
        ledger::release(conn, form.hold, Release::Split(wrong)).await,
        Err(LedgerError::Money(_))
    ));
    let split = ledger::release(conn, form.hold, Release::Whole(fee())).await.unwrap();
    // 10 % of 100.01 is 10.001: the part of a cent stays with the payee.
    assert_eq!((split.fee, split.to_payee), (euro(1_000), euro(9_001)));
    for again in [
        ledger::release(conn, form.hold, Release::Whole(fee())).await.map(|_| ()),
        ledger::refund(conn, form.hold).await.map(|_| ()),
        ledger::reverse(conn, form.hold).await.map(|_| ()),
    ] {
        assert!(matches!(again, Err(LedgerError::HoldResolved(ResolutionKind::Release))), "{again:?}");
    }
    assert!(matches!(ledger::refund(conn, Uuid::now_v7()).await, Err(LedgerError::HoldNotFound)));
    // A charge-back after the fact is the platform's loss, once.
    assert_eq!(ledger::lose(conn, form.hold, "dp_1").await.unwrap(), Posted::Now);
    assert_eq!(ledger::lose(conn, form.hold, "dp_1").await.unwrap(), Posted::Before);

    let lines = ledger::statement(conn, &[form.hold]).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.amount.amount_minor).sum::<i64>(), 0);
    assert_eq!(lines.iter().filter(|line| line.kind == "release").count(), 3);
    let report = ledger::reconcile(conn).await.unwrap();
    assert!(report.ok, "{report:?}");
    let euros = &report.currencies[0];
    assert_eq!((euros.funded, euros.released, euros.fee, euros.held), (10_001, 9_001, 1_000, 0));
    assert_eq!((euros.losses, euros.at_provider), (10_001, 0));
}

#[tokio::test]
async fn a_refused_call_leaves_the_caller_s_transaction_whole() {
    let world = world(Faults::default()).await;
    let (first, second) = (payment(500, UserId::new()), payment(700, UserId::new()));
    let mut conn = world.conn().await;
    ledger::fund(&mut conn, first.clone()).await.unwrap();
    ledger::refund(&mut conn, first.hold).await.unwrap();
    conn.transaction(async |conn| {
        ledger::fund(conn, second.clone()).await?;
        assert!(ledger::refund(conn, first.hold).await.is_err());
        assert!(ledger::fund(conn, first.clone()).await.is_ok());
        let mut other = second.clone();
        other.hold = Uuid::now_v7();
        assert!(ledger::fund(conn, other).await.is_err());
        Ok::<_, LedgerError>(())
    })
    .await
    .unwrap();
    assert!(ledger::hold(&mut conn, second.hold).await.unwrap().resolution.is_none());
}

#[tokio::test]
async fn of_many_at_once_one_resolves() {
    let world = world(Faults::default()).await;
    let form = payment(9_999, UserId::new());
    ledger::fund(&mut *world.conn().await, form.clone()).await.unwrap();
    let attempts = (0..12).map(|n| {
        let (database, hold) = (world.database.clone(), form.hold);
        tokio::spawn(async move {
            let mut conn = database.conn().await.unwrap();
            match n % 3 {
                0 => ledger::release(&mut conn, hold, Release::Whole(BasisPoints::ZERO)).await.map(|_| ()),
                1 => ledger::refund(&mut conn, hold).await.map(|_| ()),
                _ => ledger::reverse(&mut conn, hold).await.map(|_| ()),
            }
        })
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    let won = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Ok(())))).count();
    assert_eq!(won, 1, "{outcomes:?}");
    assert!(
        outcomes.iter().all(|o| matches!(o, Ok(Ok(()) | Err(LedgerError::HoldResolved(_))))),
        "{outcomes:?}"
    );
    assert!(world.ledger.reconciliation().await.unwrap().ok);
}

#[tokio::test]
async fn payouts_at_once_never_take_more_than_there_is() {
    let world = world(Faults::default()).await;
    let payee = UserId::new();
    let form = payment(1_000, payee);
    ledger::fund(&mut *world.conn().await, form.clone()).await.unwrap();
    ledger::release(&mut *world.conn().await, form.hold, Release::Whole(BasisPoints::ZERO)).await.unwrap();
    let attempts = (0..10).map(|n| {
        let database = world.database.clone();
        tokio::spawn(async move {
            // Five keys, twice each.
            ledger::payout(&mut database.conn().await.unwrap(), payee, euro(300), &format!("key-{}", n % 5))
                .await
        })
    });
    let outcomes: Vec<_> =
        futures_util::future::join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    let mut made: Vec<_> = outcomes.iter().filter_map(|o| o.as_ref().ok()).map(|p| p.id).collect();
    made.sort();
    made.dedup();
    assert_eq!(made.len(), 3, "{outcomes:?}");
    let conn = &mut *world.conn().await;
    let balance = ledger::balance(conn, payee).await.unwrap()[0];
    assert_eq!((balance.available, balance.on_its_way), (euro(100), euro(900)));

    // One arrives, one does not; neither twice, and not the other way round later.
    let paid = ledger::settle_payout(conn, made[0], PayoutOutcome::Paid, Some("po_1")).await.unwrap();
    assert_eq!(paid, Posted::Now);
    assert_eq!(
        ledger::settle_payout(conn, made[0], PayoutOutcome::Paid, None).await.unwrap(),
        Posted::Before
    );
    let turned = ledger::settle_payout(conn, made[0], PayoutOutcome::Failed, None).await;
    assert!(matches!(turned, Err(LedgerError::PayoutSettled { paid: true })));
    ledger::settle_payout(conn, made[1], PayoutOutcome::Failed, None).await.unwrap();
    let balance = ledger::balance(conn, payee).await.unwrap()[0];
    assert_eq!((balance.available, balance.on_its_way), (euro(400), euro(300)));
    assert_eq!(world.ledger.payout_of(payee, made[1]).await.unwrap().state, PayoutState::Failed);
    let stranger = world.ledger.payout_of(UserId::new(), made[1]).await;
    assert!(matches!(stranger, Err(LedgerError::PayoutNotFound)));
    let dollars = Money::new(1, Currency::USD);
    assert!(matches!(
        ledger::payout(conn, payee, dollars, "usd").await,
        Err(LedgerError::Insufficient { .. })
    ));
    assert!(ledger::reconcile(conn).await.unwrap().ok);
}

/// The maintained balance is what a lock protects; without it two sessions would each see enough.
#[tokio::test]
async fn a_write_skew_past_the_code_is_refused_by_the_database() {
    let world = world(Faults::default()).await;
    let payee = UserId::new();
    let form = payment(1_000, payee);
    ledger::fund(&mut *world.conn().await, form.clone()).await.unwrap();
    ledger::release(&mut *world.conn().await, form.hold, Release::Whole(BasisPoints::ZERO)).await.unwrap();
    let take = posting(&[("user", Some(payee.0), "EUR", -800), ("provider", None, "EUR", 800)]);
    let attempts = (0..2).map(|_| {
        let (database, sql) = (world.database.clone(), take.replace("begin;", ""));
        let id = Uuid::now_v7().to_string();
        tokio::spawn(async move {
            let first = sql.split('\'').nth(1).unwrap().to_owned();
            let sql = sql.replace(&first, &id).replace("commit", "");
            let mut conn = database.conn().await.unwrap();
            diesel::sql_query("begin").execute(&mut conn).await.unwrap();
            conn.batch_execute(&sql).await.unwrap();
            let done = diesel::sql_query("commit").execute(&mut conn).await;
            done.is_ok()
        })
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    assert_eq!(outcomes.iter().filter(|done| matches!(done, Ok(true))).count(), 1);
    assert!(world.ledger.reconciliation().await.unwrap().ok);
}
