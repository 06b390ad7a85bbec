//! Failed sign-ins and known networks.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, QueryDsl, QueryResult,
    dsl::exists,
    sql_types::{Binary, Text, Timestamptz},
    upsert::excluded,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use crate::contexts::identity::{
    lockout::{Count, Failures},
    store::{
        StoreError, Stored,
        schema::{known_networks, sign_in_failures},
    },
};

/// The row that counts an account's failures from anywhere.
const ANYWHERE: &str = "";

pub(super) async fn failures(conn: &mut AsyncPgConnection, key: &[u8], network: &str) -> Stored<Failures> {
    let rows: Vec<(String, i32, DateTime<Utc>)> = sign_in_failures::table
        .filter(sign_in_failures::account_key.eq(key))
        .filter(sign_in_failures::network.eq(network).or(sign_in_failures::network.eq(ANYWHERE)))
        .select((sign_in_failures::network, sign_in_failures::failures, sign_in_failures::last_at))
        .load(conn)
        .await?;
    let mut found = Failures::default();
    for (of, failures, last_at) in rows {
        let count = Some(Count { failures: failures.unsigned_abs(), last_at });
        if of == ANYWHERE { found.anywhere = count } else { found.here = count }
    }
    // Most people never fail, and nobody needs to be known to be let in then.
    if found.anywhere.is_some() {
        let known = known_networks::table
            .filter(known_networks::account_key.eq(key))
            .filter(known_networks::network.eq(network));
        found.known_network = diesel::select(exists(known)).get_result(conn).await?;
    }
    Ok(found)
}

pub(super) async fn count(
    conn: &mut AsyncPgConnection,
    key: &[u8],
    network: &str,
    now: DateTime<Utc>,
    window: Duration,
) -> Stored<()> {
    // Both rows in one statement, in one order: two at once cannot wait for each other.
    diesel::sql_query(
        "insert into identity.sign_in_failures as f (account_key, network, failures, last_at)
         values ($1, '', 1, $3), ($1, $2, 1, $3)
         on conflict (account_key, network) do update set
             failures = case when f.last_at <= $4 then 1 else least(f.failures, 1000000) + 1 end,
             last_at = greatest(f.last_at, excluded.last_at)",
    )
    .bind::<Binary, _>(key)
    .bind::<Text, _>(network)
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now - window)
    .execute(conn)
    .await?;
    Ok(())
}

pub(super) async fn note_success(
    conn: &mut AsyncPgConnection,
    key: &[u8],
    network: &str,
    now: DateTime<Utc>,
) -> Stored<()> {
    conn.transaction(async |conn| {
        diesel::delete(sign_in_failures::table)
            .filter(sign_in_failures::account_key.eq(key))
            .filter(sign_in_failures::network.eq(network))
            .execute(conn)
            .await?;
        let remember = diesel::insert_into(known_networks::table)
            .values((
                known_networks::account_key.eq(key),
                known_networks::network.eq(network),
                known_networks::last_at.eq(now),
            ))
            .on_conflict((known_networks::account_key, known_networks::network))
            .do_update()
            .set(known_networks::last_at.eq(excluded(known_networks::last_at)));
        // Once a day is enough for what is kept for months.
        diesel::query_dsl::methods::FilterDsl::filter(
            remember,
            known_networks::last_at.lt(now - Duration::days(1)),
        )
        .execute(conn)
        .await?;
        Ok::<_, StoreError>(())
    })
    .await
}

/// Forgets every failure of the account.
pub(super) async fn forget(conn: &mut AsyncPgConnection, key: &[u8]) -> QueryResult<()> {
    diesel::delete(sign_in_failures::table)
        .filter(sign_in_failures::account_key.eq(key))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets where the account was entered from.
pub(super) async fn forget_networks(conn: &mut AsyncPgConnection, key: &[u8]) -> QueryResult<()> {
    diesel::delete(known_networks::table).filter(known_networks::account_key.eq(key)).execute(conn).await?;
    Ok(())
}
