//! Holds and how they resolve.

use diesel::{ExpressionMethods, JoinOnDsl, NullableExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    posting::{self, Heading, Owner},
    schema::{holds, losses, resolutions},
};
use crate::{
    contexts::ledger::{
        LedgerError,
        model::{FundHold, Hold, Resolution, ResolutionKind},
    },
    money::{Currency, Money, MoneyError},
    principal::UserId,
};

/// Opens the hold; `false` when its id or its payment has one already.
pub(in crate::contexts::ledger) async fn insert(
    conn: &mut AsyncPgConnection,
    fund: &FundHold,
) -> QueryResult<bool> {
    let account = posting::account(conn, Owner::Hold(fund.hold), fund.amount.currency).await?;
    let heading = Heading { kind: "fund", subject: fund.hold, provider_ref: Some(&fund.provider_ref) };
    let transaction = posting::open(conn, heading).await?;
    let inserted = diesel::insert_into(holds::table)
        .values((
            holds::id.eq(fund.hold),
            holds::account_id.eq(account),
            holds::payer_id.eq(fund.payer),
            holds::payee_id.eq(fund.payee),
            holds::amount_minor.eq(fund.amount.amount_minor),
            holds::currency.eq(fund.amount.currency.code()),
            holds::provider_ref.eq(&fund.provider_ref),
            holds::transaction_id.eq(transaction),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let out = Money::new(-fund.amount.amount_minor, fund.amount.currency);
    posting::post(conn, transaction, &[(Owner::Provider, out), (Owner::Hold(fund.hold), fund.amount)])
        .await?;
    Ok(true)
}

type HoldRow = (Uuid, UserId, UserId, i64, String, String);
type ResolutionRow = (String, i64, i64, i64, i64);

/// Those of these holds that exist, oldest first, and where their money went.
pub(in crate::contexts::ledger) async fn find(
    conn: &mut AsyncPgConnection,
    ids: &[Uuid],
) -> Result<Vec<Hold>, LedgerError> {
    let rows: Vec<(HoldRow, Option<ResolutionRow>)> = holds::table
        .left_join(resolutions::table.on(resolutions::hold_id.eq(holds::id)))
        .filter(holds::id.eq_any(ids))
        .order(holds::transaction_id)
        .select((
            (
                holds::id,
                holds::payer_id,
                holds::payee_id,
                holds::amount_minor,
                holds::currency,
                holds::provider_ref,
            ),
            (
                resolutions::kind,
                resolutions::released_minor,
                resolutions::fee_minor,
                resolutions::refunded_minor,
                resolutions::reversed_minor,
            )
                .nullable(),
        ))
        .load(conn)
        .await?;
    rows.into_iter().map(|(hold, ended)| read(hold, ended)).collect()
}

fn read(row: HoldRow, ended: Option<ResolutionRow>) -> Result<Hold, LedgerError> {
    let (id, payer, payee, amount, currency, provider_ref) = row;
    let currency: Currency = currency.parse().map_err(|e: MoneyError| LedgerError::Money(e))?;
    let resolution = ended.map(|(kind, released, fee, refunded, reversed)| Resolution {
        kind: ResolutionKind::parse(&kind),
        released: Money::new(released, currency),
        fee: Money::new(fee, currency),
        refunded: Money::new(refunded, currency),
        reversed: Money::new(reversed, currency),
    });
    Ok(Hold { id, payer, payee, amount: Money::new(amount, currency), provider_ref, resolution })
}

/// Resolves the hold; `false` when it was resolved before. Whoever inserts the row first wins: a
/// second one waits for the first to commit and then finds its key taken.
pub(in crate::contexts::ledger) async fn resolve(
    conn: &mut AsyncPgConnection,
    hold: &Hold,
    to: &Resolution,
    provider_ref: Option<&str>,
) -> QueryResult<bool> {
    let currency = hold.amount.currency;
    let heading = Heading { kind: to.kind.as_str(), subject: hold.id, provider_ref };
    let transaction = posting::open(conn, heading).await?;
    let inserted = diesel::insert_into(resolutions::table)
        .values((
            resolutions::hold_id.eq(hold.id),
            resolutions::kind.eq(to.kind.as_str()),
            resolutions::funded_minor.eq(hold.amount.amount_minor),
            resolutions::currency.eq(currency.code()),
            resolutions::released_minor.eq(to.released.amount_minor),
            resolutions::fee_minor.eq(to.fee.amount_minor),
            resolutions::refunded_minor.eq(to.refunded.amount_minor),
            resolutions::reversed_minor.eq(to.reversed.amount_minor),
            resolutions::transaction_id.eq(transaction),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let emptied = Money::new(-hold.amount.amount_minor, currency);
    posting::post(
        conn,
        transaction,
        &[
            (Owner::Hold(hold.id), emptied),
            (Owner::User(hold.payee.0), to.released),
            (Owner::Fees, to.fee),
            (Owner::Provider, to.refunded),
            // A line of its own: given back and taken back are told apart by the transaction's kind.
            (Owner::Provider, to.reversed),
        ],
    )
    .await?;
    Ok(true)
}

/// Books a charge-back that came after the hold had resolved; `false` when it was booked before.
pub(in crate::contexts::ledger) async fn lose(
    conn: &mut AsyncPgConnection,
    hold: &Hold,
    amount: Money,
    dispute: &str,
) -> QueryResult<bool> {
    let heading = Heading { kind: "loss", subject: hold.id, provider_ref: Some(dispute) };
    let transaction = posting::open(conn, heading).await?;
    let inserted = diesel::insert_into(losses::table)
        .values((
            losses::provider_ref.eq(dispute),
            losses::hold_id.eq(hold.id),
            losses::transaction_id.eq(transaction),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    let debt = Money::new(-amount.amount_minor, amount.currency);
    posting::post(conn, transaction, &[(Owner::Losses, debt), (Owner::Provider, amount)]).await?;
    Ok(true)
}
