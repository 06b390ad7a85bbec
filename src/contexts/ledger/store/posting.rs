//! Writing one transaction with its entries.

use diesel::{ExpressionMethods, OptionalExtension, PgExpressionMethods, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::schema::{accounts, entries, transactions};
use crate::{
    money::{Currency, Money},
    telemetry::correlation,
};

/// Whose money an entry moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::contexts::ledger) enum Owner {
    Provider,
    Fees,
    Losses,
    Hold(Uuid),
    User(Uuid),
    Payout(Uuid),
}

impl Owner {
    fn parts(self) -> (&'static str, Option<Uuid>) {
        match self {
            Self::Provider => ("provider", None),
            Self::Fees => ("fees", None),
            Self::Losses => ("losses", None),
            Self::Hold(id) => ("hold", Some(id)),
            Self::User(id) => ("user", Some(id)),
            Self::Payout(id) => ("payout", Some(id)),
        }
    }
}

/// What a transaction is about.
pub(in crate::contexts::ledger) struct Heading<'a> {
    pub kind: &'static str,
    pub subject: Uuid,
    pub provider_ref: Option<&'a str>,
}

/// The owner's account in that currency; made when it is new.
pub(in crate::contexts::ledger) async fn account(
    conn: &mut AsyncPgConnection,
    owner: Owner,
    currency: Currency,
) -> QueryResult<Uuid> {
    let (kind, owner_id) = owner.parts();
    let find = || {
        accounts::table
            .filter(accounts::kind.eq(kind))
            .filter(accounts::owner_id.is_not_distinct_from(owner_id))
            .filter(accounts::currency.eq(currency.code().to_owned()))
            .select(accounts::id)
    };
    if let Some(id) = find().first(conn).await.optional()? {
        return Ok(id);
    }
    diesel::insert_into(accounts::table)
        .values((
            accounts::id.eq(Uuid::now_v7()),
            accounts::kind.eq(kind),
            accounts::owner_id.eq(owner_id),
            accounts::currency.eq(currency.code()),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    // Ours, or that of somebody who was faster.
    find().first(conn).await
}

/// Opens a transaction; its entries must follow in the same database transaction.
pub(in crate::contexts::ledger) async fn open(
    conn: &mut AsyncPgConnection,
    heading: Heading<'_>,
) -> QueryResult<Uuid> {
    let id = Uuid::now_v7();
    diesel::insert_into(transactions::table)
        .values((
            transactions::id.eq(id),
            transactions::kind.eq(heading.kind),
            transactions::subject_id.eq(heading.subject),
            transactions::provider_ref.eq(heading.provider_ref),
            transactions::correlation_id.eq(correlation::current().map(|id| id.to_string())),
        ))
        .execute(conn)
        .await?;
    Ok(id)
}

/// Writes the entries; amounts of nothing are left out.
pub(in crate::contexts::ledger) async fn post(
    conn: &mut AsyncPgConnection,
    transaction: Uuid,
    lines: &[(Owner, Money)],
) -> QueryResult<()> {
    let mut rows = Vec::with_capacity(lines.len());
    for (owner, amount) in lines.iter().filter(|(_, amount)| !amount.is_zero()) {
        rows.push((account(conn, *owner, amount.currency).await?, amount));
    }
    // Balances are locked in one order, whoever comes.
    rows.sort_by_key(|(account, _)| *account);
    let rows: Vec<_> = (0_i16..)
        .zip(rows)
        .map(|(line, (account, amount))| {
            (
                entries::transaction_id.eq(transaction),
                entries::line.eq(line),
                entries::account_id.eq(account),
                entries::currency.eq(amount.currency.code()),
                entries::amount_minor.eq(amount.amount_minor),
            )
        })
        .collect();
    diesel::insert_into(entries::table).values(rows).execute(conn).await?;
    Ok(())
}
