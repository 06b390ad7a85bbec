//! Balances and payouts.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, JoinOnDsl, NullableExpressionMethods, OptionalExtension, QueryDsl, QueryResult,
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    posting::{self, Heading, Owner},
    schema::{accounts, payout_outcomes, payout_requests, payouts},
};
use crate::{
    contexts::ledger::model::{Payout, PayoutId, PayoutOutcome, PayoutState},
    money::{Currency, Money},
    principal::UserId,
};

/// What the person can be paid, with the account locked until the transaction ends.
pub(in crate::contexts::ledger) async fn available(
    conn: &mut AsyncPgConnection,
    user: UserId,
    currency: Currency,
) -> QueryResult<Money> {
    let balance: Option<i64> = accounts::table
        .filter(accounts::kind.eq("user"))
        .filter(accounts::owner_id.eq(user.0))
        .filter(accounts::currency.eq(currency.code().to_owned()))
        .select(accounts::balance_minor)
        .for_update()
        .first(conn)
        .await
        .optional()?;
    Ok(Money::new(balance.unwrap_or(0), currency))
}

/// Moves money from the balance onto its way; `false` when the key was used before.
pub(in crate::contexts::ledger) async fn insert(
    conn: &mut AsyncPgConnection,
    id: PayoutId,
    user: UserId,
    amount: Money,
    key: &str,
) -> QueryResult<bool> {
    let account = posting::account(conn, Owner::Payout(id.0), amount.currency).await?;
    let heading = Heading { kind: "payout", subject: id.0, provider_ref: None };
    let transaction = posting::open(conn, heading).await?;
    let inserted = diesel::insert_into(payouts::table)
        .values((
            payouts::id.eq(id),
            payouts::account_id.eq(account),
            payouts::user_id.eq(user),
            payouts::amount_minor.eq(amount.amount_minor),
            payouts::currency.eq(amount.currency.code()),
            payouts::request_key.eq(key),
            payouts::transaction_id.eq(transaction),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let out = Money::new(-amount.amount_minor, amount.currency);
    posting::post(conn, transaction, &[(Owner::User(user.0), out), (Owner::Payout(id.0), amount)]).await?;
    Ok(true)
}

/// Ends a payout; `false` when it was ended before.
pub(in crate::contexts::ledger) async fn settle(
    conn: &mut AsyncPgConnection,
    payout: &Payout,
    outcome: PayoutOutcome,
    provider_ref: Option<&str>,
) -> QueryResult<bool> {
    let paid = outcome == PayoutOutcome::Paid;
    let kind = if paid { "payout_paid" } else { "payout_failed" };
    let transaction = posting::open(conn, Heading { kind, subject: payout.id.0, provider_ref }).await?;
    let inserted = diesel::insert_into(payout_outcomes::table)
        .values((
            payout_outcomes::payout_id.eq(payout.id),
            payout_outcomes::paid.eq(paid),
            payout_outcomes::transaction_id.eq(transaction),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let out = Money::new(-payout.amount.amount_minor, payout.amount.currency);
    let to = if paid { Owner::Provider } else { Owner::User(payout.user.0) };
    posting::post(conn, transaction, &[(Owner::Payout(payout.id.0), out), (to, payout.amount)]).await?;
    Ok(true)
}

type PayoutRow = (PayoutId, UserId, i64, String, DateTime<Utc>, Option<bool>);

macro_rules! rows {
    () => {
        payouts::table
            .left_join(payout_outcomes::table.on(payout_outcomes::payout_id.eq(payouts::id)))
            .select((
                payouts::id,
                payouts::user_id,
                payouts::amount_minor,
                payouts::currency,
                payouts::created_at,
                payout_outcomes::paid.nullable(),
            ))
    };
}

fn payout((id, user, amount, currency, created_at, paid): PayoutRow) -> Option<Payout> {
    let state = match paid {
        None => PayoutState::Pending,
        Some(true) => PayoutState::Paid,
        Some(false) => PayoutState::Failed,
    };
    // The column's check lets only codes in, and they were written from a `Currency`.
    let currency = currency.parse().ok()?;
    Some(Payout { id, user, amount: Money::new(amount, currency), state, created_at })
}

pub(in crate::contexts::ledger) async fn find(
    conn: &mut AsyncPgConnection,
    id: PayoutId,
) -> QueryResult<Option<Payout>> {
    let row: Option<PayoutRow> = rows!().filter(payouts::id.eq(id)).first(conn).await.optional()?;
    Ok(row.and_then(payout))
}

pub(in crate::contexts::ledger) async fn by_key(
    conn: &mut AsyncPgConnection,
    user: UserId,
    key: &str,
) -> QueryResult<Option<Payout>> {
    let row: Option<PayoutRow> = rows!()
        .filter(payouts::user_id.eq(user))
        .filter(payouts::request_key.eq(key))
        .first(conn)
        .await
        .optional()?;
    Ok(row.and_then(payout))
}

/// The person's payouts before `before`, newest first.
pub(in crate::contexts::ledger) async fn list(
    conn: &mut AsyncPgConnection,
    user: UserId,
    before: Option<PayoutId>,
    limit: i64,
) -> QueryResult<Vec<Payout>> {
    let mut query =
        rows!().filter(payouts::user_id.eq(user)).order(payouts::id.desc()).limit(limit).into_boxed();
    if let Some(before) = before {
        query = query.filter(payouts::id.lt(before));
    }
    let rows: Vec<PayoutRow> = query.load(conn).await?;
    Ok(rows.into_iter().filter_map(payout).collect())
}

/// Payouts since `since` and past `after` that the provider has not taken on, oldest first.
pub(in crate::contexts::ledger) async fn unasked(
    conn: &mut AsyncPgConnection,
    since: DateTime<Utc>,
    after: PayoutId,
    limit: i64,
) -> QueryResult<Vec<Payout>> {
    let asked = payout_requests::table.filter(payout_requests::payout_id.eq(payouts::id));
    let rows: Vec<PayoutRow> = rows!()
        .filter(payout_outcomes::paid.nullable().is_null())
        .filter(payouts::created_at.gt(since))
        .filter(payouts::id.gt(after))
        .filter(diesel::dsl::not(diesel::dsl::exists(asked)))
        .order(payouts::id.asc())
        .limit(limit)
        .load(conn)
        .await?;
    Ok(rows.into_iter().filter_map(payout).collect())
}

/// Payouts from before `since` and past `after` that the provider never took on and that have not ended,
/// oldest first.
pub(in crate::contexts::ledger) async fn overdue(
    conn: &mut AsyncPgConnection,
    since: DateTime<Utc>,
    after: PayoutId,
    limit: i64,
) -> QueryResult<Vec<Payout>> {
    let asked = payout_requests::table.filter(payout_requests::payout_id.eq(payouts::id));
    let rows: Vec<PayoutRow> = rows!()
        .filter(payout_outcomes::paid.nullable().is_null())
        .filter(payouts::created_at.le(since))
        .filter(payouts::id.gt(after))
        .filter(diesel::dsl::not(diesel::dsl::exists(asked)))
        .order(payouts::id.asc())
        .limit(limit)
        .load(conn)
        .await?;
    Ok(rows.into_iter().filter_map(payout).collect())
}

/// Notes that the provider has taken it on.
pub(in crate::contexts::ledger) async fn asked(
    conn: &mut AsyncPgConnection,
    id: PayoutId,
    provider_ref: &str,
) -> QueryResult<()> {
    diesel::insert_into(payout_requests::table)
        .values((payout_requests::payout_id.eq(id), payout_requests::provider_ref.eq(provider_ref)))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}
