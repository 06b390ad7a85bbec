//! The end of accounts, and of whatever else has ended.

use chrono::{DateTime, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, SelectableHelper,
    dsl::sql,
    sql_types::{Nullable, Timestamptz},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::{lockout, rows::UserRow, sessions};
use crate::{
    contexts::identity::{
        events,
        lockout::key,
        model::{Account, Email},
        store::{
            StoreError, Stored,
            schema::{known_networks, links, sessions as session_rows, sign_in_failures, users},
        },
    },
    ports::mail,
    principal::{SessionId, UserId},
};

/// What is left of a name.
const PSEUDONYM: &str = "Deleted person";
/// Accounts erased in one transaction.
const BATCH: i64 = 100;

pub(super) async fn schedule(
    conn: &mut AsyncPgConnection,
    id: UserId,
    due_at: DateTime<Utc>,
    keep: SessionId,
) -> Stored<Option<(Account, Vec<SessionId>)>> {
    conn.transaction(async |conn| {
        let first =
            sql::<Nullable<Timestamptz>>("least(deletion_due_at, ").bind::<Timestamptz, _>(due_at).sql(")");
        let row = diesel::update(users::table)
            .filter(users::id.eq(id))
            .filter(users::erased_at.is_null())
            .set((users::deletion_due_at.eq(first), users::version.eq(users::version + 1)))
            .returning(UserRow::as_returning())
            .get_result(conn)
            .await
            .optional()?;
        let Some(row) = row else { return Ok(None) };
        let ended = sessions::end_all(conn, id, Some(keep)).await?;
        Ok::<_, StoreError>(Some((row.into(), ended)))
    })
    .await
}

pub(super) async fn cancel(conn: &mut AsyncPgConnection, id: UserId) -> Stored<Option<Account>> {
    let row = diesel::update(users::table)
        .filter(users::id.eq(id))
        .filter(users::erased_at.is_null())
        .filter(users::deletion_due_at.is_not_null())
        .set((users::deletion_due_at.eq(None::<DateTime<Utc>>), users::version.eq(users::version + 1)))
        .returning(UserRow::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    Ok(row.map(Account::from))
}

pub(super) async fn erase_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> Stored<Vec<(UserId, Vec<SessionId>)>> {
    conn.transaction(async |conn| {
        let due: Vec<(UserId, Option<String>, Option<DateTime<Utc>>)> = users::table
            .filter(users::deletion_due_at.le(now))
            .filter(users::erased_at.is_null())
            .order(users::deletion_due_at)
            .limit(BATCH)
            .select((users::id, users::email, users::deletion_due_at))
            .for_update()
            .skip_locked()
            .load(conn)
            .await?;
        let mut erased = Vec::with_capacity(due.len());
        for (id, email, due_at) in due {
            if let Some(email) = email {
                let address = email.clone();
                let key = key(&Email::stored(email));
                lockout::forget(conn, &key).await?;
                lockout::forget_networks(conn, &key).await?;
                mail::forget_address(conn, &address).await?;
            }
            diesel::delete(links::table).filter(links::user_id.eq(id)).execute(conn).await?;
            let ended = sessions::bare(conn, id).await?;
            let version = diesel::update(users::table)
                .filter(users::id.eq(id))
                .set((
                    users::email.eq(None::<String>),
                    users::email_verified_at.eq(None::<DateTime<Utc>>),
                    users::password_hash.eq(None::<String>),
                    users::display_name.eq(PSEUDONYM),
                    users::headline.eq(None::<String>),
                    users::bio.eq(None::<String>),
                    users::time_zone.eq(None::<String>),
                    users::roles.eq(Vec::<String>::new()),
                    users::version.eq(users::version + 1),
                    users::erased_at.eq(now),
                ))
                .returning(users::version)
                .get_result(conn)
                .await?;
            events::erasure_requested(conn, id, version, due_at).await?;
            erased.push((id, ended));
        }
        Ok::<_, StoreError>(erased)
    })
    .await
}

pub(super) async fn sweep(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    forget_before: DateTime<Utc>,
) -> Stored<(u64, Vec<SessionId>)> {
    let erased = users::table.filter(users::erased_at.le(now - sessions::WATCH)).select(users::id);
    let ended: Vec<SessionId> = diesel::delete(session_rows::table)
        .filter(session_rows::expires_at.le(now).or(session_rows::user_id.eq_any(erased)))
        .returning(session_rows::id)
        .get_results(conn)
        .await?;
    let removed = [
        ended.len(),
        diesel::delete(links::table).filter(links::expires_at.le(now)).execute(conn).await?,
        diesel::delete(sign_in_failures::table)
            .filter(sign_in_failures::last_at.le(forget_before))
            .execute(conn)
            .await?,
        diesel::delete(known_networks::table)
            .filter(known_networks::last_at.le(forget_before))
            .execute(conn)
            .await?,
    ];
    Ok((removed.into_iter().sum::<usize>() as u64, ended))
}
