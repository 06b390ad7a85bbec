//! Statements, balances, and whether the books agree with themselves.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, QueryDsl, QueryResult, QueryableByName,
    sql_types::{Array, BigInt, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::schema::{accounts, entries, transactions};
use crate::{
    contexts::ledger::model::{Balance, CurrencyReport, Entry, Report},
    money::{Currency, Money},
    principal::UserId,
};

type EntryRow = (Uuid, i16, String, Uuid, String, i64, String, DateTime<Utc>);

/// Every entry of these holds, oldest first.
pub(in crate::contexts::ledger) async fn statement(
    conn: &mut AsyncPgConnection,
    holds: &[Uuid],
) -> QueryResult<Vec<Entry>> {
    let rows: Vec<EntryRow> = entries::table
        .inner_join(transactions::table)
        .inner_join(accounts::table)
        .filter(transactions::subject_id.eq_any(holds))
        .order((transactions::created_at, transactions::id, entries::line))
        .select((
            transactions::id,
            entries::line,
            transactions::kind,
            transactions::subject_id,
            accounts::kind,
            entries::amount_minor,
            entries::currency,
            transactions::created_at,
        ))
        .load(conn)
        .await?;
    let entry = |(transaction_id, line, kind, hold_id, account, amount, currency, at): EntryRow| {
        let amount = Money::new(amount, currency.parse().ok()?);
        Some(Entry { transaction_id, line, kind, hold_id, account, amount, at })
    };
    Ok(rows.into_iter().filter_map(entry).collect())
}

#[derive(QueryableByName)]
struct BalanceRow {
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    available: i64,
    #[diesel(sql_type = BigInt)]
    held: i64,
    #[diesel(sql_type = BigInt)]
    on_its_way: i64,
}

/// The person's money by currency.
pub(in crate::contexts::ledger) async fn balance(
    conn: &mut AsyncPgConnection,
    user: UserId,
) -> QueryResult<Vec<Balance>> {
    let rows: Vec<BalanceRow> = diesel::sql_query(
        "select currency,
                coalesce(sum(balance_minor) filter (where kind = 'user'), 0)::bigint as available,
                coalesce(sum(balance_minor) filter (where kind = 'hold'), 0)::bigint as held,
                coalesce(sum(balance_minor) filter (where kind = 'payout'), 0)::bigint as on_its_way
         from (
             select currency, kind, balance_minor from ledger.accounts where kind = 'user' and owner_id = $1
             union all
             select account.currency, account.kind, account.balance_minor
                 from ledger.holds hold join ledger.accounts account on account.id = hold.account_id
                 where hold.payee_id = $1 and account.balance_minor <> 0
             union all
             select account.currency, account.kind, account.balance_minor
                 from ledger.payouts payout join ledger.accounts account on account.id = payout.account_id
                 where payout.user_id = $1 and account.balance_minor <> 0
         ) own
         group by currency order by currency",
    )
    .bind::<SqlUuid, _>(user.0)
    .load(conn)
    .await?;
    let balance = |row: BalanceRow| {
        let currency: Currency = row.currency.parse().ok()?;
        Some(Balance {
            available: Money::new(row.available, currency),
            held: Money::new(row.held, currency),
            on_its_way: Money::new(row.on_its_way, currency),
        })
    };
    Ok(rows.into_iter().filter_map(balance).collect())
}

#[derive(QueryableByName)]
struct ReportRow {
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = Array<BigInt>)]
    sums: Vec<i64>,
}

#[derive(QueryableByName)]
struct IdRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
}

async fn ids(conn: &mut AsyncPgConnection, query: &str) -> QueryResult<Vec<Uuid>> {
    let rows: Vec<IdRow> = diesel::sql_query(query).load(conn).await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Adds everything up again, from the entries. The caller gives one snapshot.
pub(in crate::contexts::ledger) async fn reconcile(conn: &mut AsyncPgConnection) -> QueryResult<Report> {
    let rows: Vec<ReportRow> = diesel::sql_query(
        "select entry.currency, array[
            coalesce(sum(amount_minor) filter (where account.kind = 'hold' and posted.kind = 'fund'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'user' and posted.kind = 'release'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'fees'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'provider'
                and posted.kind in ('release', 'refund')), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'provider' and posted.kind = 'reverse'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'hold'), 0),
            coalesce(-sum(amount_minor) filter (where account.kind = 'losses'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'user'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'payout'), 0),
            coalesce(sum(amount_minor) filter (where account.kind = 'provider' and posted.kind = 'payout_paid'), 0),
            coalesce(-sum(amount_minor) filter (where account.kind = 'provider'), 0)
         ]::bigint[] as sums
         from ledger.entries entry
         join ledger.accounts account on account.id = entry.account_id
         join ledger.transactions posted on posted.id = entry.transaction_id
         group by entry.currency order by entry.currency",
    )
    .load(conn)
    .await?;
    let currencies: Vec<CurrencyReport> = rows.iter().filter_map(currency_report).collect();
    let unbalanced = ids(
        conn,
        "select transaction_id as id from ledger.entries
         group by transaction_id, currency having sum(amount_minor) <> 0",
    )
    .await?;
    let drifted = ids(
        conn,
        "select account.id from ledger.accounts account
         left join ledger.entries entry on entry.account_id = account.id
         where account.owner_id is not null
         group by account.id
         having coalesce(sum(entry.amount_minor), 0) <> account.balance_minor or account.balance_minor < 0",
    )
    .await?;
    let wrong_holds = ids(
        conn,
        "select hold.id from ledger.holds hold
         join ledger.accounts account on account.id = hold.account_id
         left join ledger.resolutions resolution on resolution.hold_id = hold.id
         where account.balance_minor <>
            case when resolution.hold_id is null then hold.amount_minor else 0 end",
    )
    .await?;
    let ok = unbalanced.is_empty()
        && drifted.is_empty()
        && wrong_holds.is_empty()
        && currencies.len() == rows.len()
        && currencies.iter().all(|line| line.unaccounted == 0);
    Ok(Report { ok, currencies, unbalanced, drifted, wrong_holds })
}

fn currency_report(row: &ReportRow) -> Option<CurrencyReport> {
    let [
        funded,
        released,
        fee,
        refunded,
        reversed,
        held,
        losses,
        balances,
        payouts_pending,
        payouts_paid,
        at_provider,
    ] = row.sums.as_slice().try_into().ok()?;
    let parts = [released, fee, refunded, reversed, held].into_iter().map(i128::from).sum::<i128>();
    Some(CurrencyReport {
        currency: row.currency.parse().ok()?,
        funded,
        released,
        fee,
        refunded,
        reversed,
        held,
        unaccounted: i64::try_from(i128::from(funded) - parts).unwrap_or(i64::MAX),
        losses,
        balances,
        payouts_pending,
        payouts_paid,
        at_provider,
    })
}
