//! Links in mails, and what following one does.

use chrono::{DateTime, Utc};
use diesel::{
    ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, SelectableHelper, dsl::count_star,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::{lockout, rows::UserRow, sessions};
use crate::{
    contexts::identity::{
        lockout::key,
        model::{Account, OneTimePurpose},
        store::{
            InsertLink, StoreError, Stored,
            schema::{links, users},
        },
        tokens::TokenHash,
    },
    principal::{SessionId, UserId},
};

pub(super) async fn insert(
    conn: &mut AsyncPgConnection,
    link: &InsertLink,
    most: i64,
    since: DateTime<Utc>,
) -> Stored<bool> {
    conn.transaction(async |conn| {
        // The owner's row is the lock: requests at once count each other.
        let owner: Option<UserId> = users::table
            .filter(users::id.eq(link.user_id))
            .filter(users::erased_at.is_null())
            .select(users::id)
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let sent: i64 = links::table
            .filter(links::user_id.eq(link.user_id))
            .filter(links::purpose.eq(link.purpose.as_str()))
            .filter(links::created_at.gt(since))
            .select(count_star())
            .get_result(conn)
            .await?;
        if owner.is_none() || sent >= most {
            return Ok(false);
        }
        diesel::insert_into(links::table)
            .values((
                links::token_hash.eq(link.token.0.as_slice()),
                links::user_id.eq(link.user_id),
                links::purpose.eq(link.purpose.as_str()),
                links::created_at.eq(link.now),
                links::expires_at.eq(link.expires_at),
            ))
            .execute(conn)
            .await?;
        Ok::<_, StoreError>(true)
    })
    .await
}

pub(super) async fn owner(
    conn: &mut AsyncPgConnection,
    token: &TokenHash,
    purpose: OneTimePurpose,
    now: DateTime<Utc>,
) -> Stored<Option<UserId>> {
    let owner = links::table
        .filter(links::token_hash.eq(token.0.as_slice()))
        .filter(links::purpose.eq(purpose.as_str()))
        .filter(links::expires_at.gt(now))
        .select(links::user_id)
        .first(conn)
        .await
        .optional()?;
    Ok(owner)
}

/// Uses a link up: of several at once, one gets its owner.
async fn take(
    conn: &mut AsyncPgConnection,
    token: &TokenHash,
    purpose: OneTimePurpose,
    now: DateTime<Utc>,
) -> QueryResult<Option<UserId>> {
    diesel::delete(links::table)
        .filter(links::token_hash.eq(token.0.as_slice()))
        .filter(links::purpose.eq(purpose.as_str()))
        .filter(links::expires_at.gt(now))
        .returning(links::user_id)
        .get_result(conn)
        .await
        .optional()
}

/// Voids the person's other links of the sort.
async fn void(conn: &mut AsyncPgConnection, user_id: UserId, purpose: OneTimePurpose) -> QueryResult<()> {
    diesel::delete(links::table)
        .filter(links::user_id.eq(user_id))
        .filter(links::purpose.eq(purpose.as_str()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Following a mailed link proves the address; the first time counts.
async fn mark_verified(conn: &mut AsyncPgConnection, user_id: UserId, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table)
        .filter(users::id.eq(user_id))
        .filter(users::email_verified_at.is_null())
        .set((users::email_verified_at.eq(now), users::version.eq(users::version + 1)))
        .execute(conn)
        .await?;
    void(conn, user_id, OneTimePurpose::VerifyEmail).await
}

async fn account(conn: &mut AsyncPgConnection, user_id: UserId) -> QueryResult<Account> {
    let row = users::table.filter(users::id.eq(user_id)).select(UserRow::as_select()).first(conn).await?;
    Ok(row.into())
}

pub(super) async fn verify_email(
    conn: &mut AsyncPgConnection,
    token: &TokenHash,
    now: DateTime<Utc>,
) -> Stored<Option<Account>> {
    conn.transaction(async |conn| {
        let Some(user_id) = take(conn, token, OneTimePurpose::VerifyEmail, now).await? else {
            return Ok(None);
        };
        mark_verified(conn, user_id, now).await?;
        Ok::<_, StoreError>(Some(account(conn, user_id).await?))
    })
    .await
}

pub(super) async fn reset_password(
    conn: &mut AsyncPgConnection,
    token: &TokenHash,
    hash: &str,
    now: DateTime<Utc>,
) -> Stored<Option<(Account, Vec<SessionId>)>> {
    conn.transaction(async |conn| {
        let Some(user_id) = take(conn, token, OneTimePurpose::ResetPassword, now).await? else {
            return Ok(None);
        };
        diesel::update(users::table)
            .filter(users::id.eq(user_id))
            .set(users::password_hash.eq(hash))
            .execute(conn)
            .await?;
        void(conn, user_id, OneTimePurpose::ResetPassword).await?;
        mark_verified(conn, user_id, now).await?;
        let ended = sessions::end_all(conn, user_id, None).await?;
        let account = account(conn, user_id).await?;
        lockout::forget(conn, &key(&account.email)).await?;
        Ok::<_, StoreError>(Some((account, ended)))
    })
    .await
}
