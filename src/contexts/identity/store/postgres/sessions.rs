//! Sessions.

use chrono::{DateTime, Duration, Utc};
use diesel::{
    BoolExpressionMethods, ExpressionMethods, OptionalExtension, QueryDsl, QueryResult, SelectableHelper,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::rows::{NewSessionRow, SessionRow, UserRow};
use crate::{
    contexts::identity::{
        model::{Account, Session},
        store::{
            Stored,
            schema::{sessions, users},
        },
        tokens::TokenHash,
    },
    principal::{SessionId, UserId},
};

/// Somebody who is being erased may look on for so long at most; then the sessions end by themselves.
pub(super) const WATCH: Duration = Duration::hours(1);

pub(super) async fn insert(
    conn: &mut AsyncPgConnection,
    session: &Session,
    token: &TokenHash,
    proven: &str,
) -> Stored<bool> {
    conn.transaction(async |conn| {
        // Shared with other sign-ins, not with a change of the password: whichever of the two is first, no
        // session is left that the old one opened.
        let still: Option<UserId> = users::table
            .find(session.user_id)
            .filter(users::password_hash.eq(proven))
            .filter(users::erased_at.is_null())
            .select(users::id)
            .for_share()
            .first(conn)
            .await
            .optional()?;
        if still.is_none() {
            return Ok(false);
        }
        diesel::insert_into(sessions::table).values(NewSessionRow::new(session, token)).execute(conn).await?;
        Ok(true)
    })
    .await
}

pub(super) async fn of_token(
    conn: &mut AsyncPgConnection,
    token: &TokenHash,
    now: DateTime<Utc>,
) -> Stored<Option<(Session, Account)>> {
    let row = sessions::table
        .inner_join(users::table)
        .filter(sessions::token_hash.eq(token.0.as_slice()))
        .filter(sessions::expires_at.gt(now))
        .filter(users::erased_at.is_null().or(users::erased_at.gt(now - WATCH)))
        .select((SessionRow::as_select(), UserRow::as_select()))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(session, user): (SessionRow, UserRow)| (session.into(), user.into())))
}

pub(super) async fn of_id(
    conn: &mut AsyncPgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> Stored<Option<(Session, Account)>> {
    let row = sessions::table
        .inner_join(users::table)
        .filter(sessions::id.eq(id))
        .filter(sessions::expires_at.gt(now))
        .filter(users::erased_at.is_null().or(users::erased_at.gt(now - WATCH)))
        .select((SessionRow::as_select(), UserRow::as_select()))
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(|(session, user): (SessionRow, UserRow)| (session.into(), user.into())))
}

pub(super) async fn touch(
    conn: &mut AsyncPgConnection,
    id: SessionId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Stored<()> {
    // Of several requests at once the first one writes.
    diesel::update(sessions::table)
        .filter(sessions::id.eq(id))
        .filter(sessions::last_seen_at.lt(now))
        .set((sessions::last_seen_at.eq(now), sessions::expires_at.eq(expires_at)))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn of_user(
    conn: &mut AsyncPgConnection,
    user_id: UserId,
    now: DateTime<Utc>,
    before: Option<SessionId>,
    limit: i64,
) -> Stored<Vec<Session>> {
    let mut query = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::expires_at.gt(now))
        .order(sessions::id.desc())
        .limit(limit)
        .select(SessionRow::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(sessions::id.lt(before));
    }
    Ok(query.load(conn).await?.into_iter().map(Session::from).collect())
}

pub(super) async fn left(conn: &mut AsyncPgConnection, ids: &[SessionId]) -> Stored<Vec<SessionId>> {
    let left = sessions::table.filter(sessions::id.eq_any(ids)).select(sessions::id).load(conn).await?;
    Ok(left)
}

pub(super) async fn end(conn: &mut AsyncPgConnection, user_id: UserId, id: SessionId) -> Stored<bool> {
    let ended = diesel::delete(sessions::table)
        .filter(sessions::id.eq(id))
        .filter(sessions::user_id.eq(user_id))
        .execute(conn)
        .await?;
    Ok(ended > 0)
}

/// Takes what is personal out of the sessions of somebody who is erased; which they are. They last until every
/// receipt is there, to watch by.
pub(super) async fn bare(conn: &mut AsyncPgConnection, user_id: UserId) -> QueryResult<Vec<SessionId>> {
    diesel::update(sessions::table)
        .filter(sessions::user_id.eq(user_id))
        .set((sessions::device.eq(None::<String>), sessions::address.eq(None::<String>)))
        .returning(sessions::id)
        .get_results(conn)
        .await
}

pub(super) async fn end_all(
    conn: &mut AsyncPgConnection,
    user_id: UserId,
    keep: Option<SessionId>,
) -> QueryResult<Vec<SessionId>> {
    // No session has the nil id: it keeps none.
    let keep = keep.unwrap_or(SessionId(uuid::Uuid::nil()));
    diesel::delete(sessions::table)
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.ne(keep))
        .returning(sessions::id)
        .get_results(conn)
        .await
}
