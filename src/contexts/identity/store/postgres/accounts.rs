//! Accounts: profile, roles, password.

use diesel::{
    AsChangeset, ExpressionMethods, OptionalExtension, PgTextExpressionMethods, QueryDsl, SelectableHelper,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};

use super::{
    rows::{NewUserRow, PersonRow, UserRow, role_names, roles},
    sessions,
};
use crate::{
    contexts::identity::{
        events,
        model::{Account, Email, OneTimePurpose, Person, ProfileChange},
        store::{
            Changed, Credentials, InsertAccount, StoreError, Stored,
            schema::{links, users},
        },
    },
    principal::{Role, SessionId, UserId},
};

pub(super) async fn insert(conn: &mut AsyncPgConnection, new: &InsertAccount) -> Stored<()> {
    conn.transaction(async |conn| {
        diesel::insert_into(users::table).values(NewUserRow::from(new)).execute(conn).await?;
        events::registered(conn, &new.account).await?;
        Ok(())
    })
    .await
}

pub(super) async fn of_id(conn: &mut AsyncPgConnection, id: UserId) -> Stored<Option<Credentials>> {
    let row = users::table
        .filter(users::id.eq(id))
        .filter(users::erased_at.is_null())
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(Credentials::from))
}

pub(super) async fn of_email(conn: &mut AsyncPgConnection, email: &Email) -> Stored<Option<Credentials>> {
    let row = users::table
        .filter(users::email.eq(email.as_str()))
        .select(UserRow::as_select())
        .first(conn)
        .await
        .optional()?;
    Ok(row.map(Credentials::from))
}

pub(super) async fn people(conn: &mut AsyncPgConnection, ids: &[UserId]) -> Stored<Vec<Person>> {
    let rows = users::table
        .filter(users::id.eq_any(ids))
        .filter(users::erased_at.is_null())
        .select(PersonRow::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Person::from).collect())
}

pub(super) async fn people_named(
    conn: &mut AsyncPgConnection,
    text: &str,
    limit: i64,
) -> Stored<Vec<Person>> {
    let literal = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let rows = users::table
        .filter(users::erased_at.is_null())
        .filter(users::display_name.ilike(format!("%{literal}%")))
        .order((users::display_name.not_ilike(format!("{literal}%")), users::display_name, users::id))
        .limit(limit)
        .select(PersonRow::as_select())
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Person::from).collect())
}

#[derive(AsChangeset)]
#[diesel(table_name = users)]
struct ProfileRow<'a> {
    display_name: Option<&'a str>,
    headline: Option<Option<&'a str>>,
    bio: Option<Option<&'a str>>,
    time_zone: Option<Option<&'a str>>,
}

pub(super) async fn change_profile(
    conn: &mut AsyncPgConnection,
    id: UserId,
    version: i64,
    change: &ProfileChange,
) -> Stored<Changed<Account>> {
    if change.is_empty() {
        return Ok(match of_id(conn, id).await? {
            Some(found) if found.account.version == version => Changed::Done(found.account),
            Some(_) => Changed::Stale,
            None => Changed::Missing,
        });
    }
    let row = ProfileRow {
        display_name: change.display_name.as_deref(),
        headline: change.headline.as_ref().map(Option::as_deref),
        bio: change.bio.as_ref().map(Option::as_deref),
        time_zone: change.time_zone.as_ref().map(Option::as_deref),
    };
    let changed = conn
        .transaction(async |conn| {
            let theirs = users::table
                .filter(users::id.eq(id))
                .filter(users::version.eq(version))
                .filter(users::erased_at.is_null());
            let before: Option<String> =
                theirs.select(users::display_name).for_update().first(conn).await.optional()?;
            let Some(before) = before else { return Ok(None) };
            let changed: Account = diesel::update(users::table)
                .filter(users::id.eq(id))
                .set((row, users::version.eq(users::version + 1)))
                .returning(UserRow::as_returning())
                .get_result(conn)
                .await?
                .into();
            if changed.display_name != before {
                events::renamed(conn, id, changed.version).await?;
            }
            Ok::<_, StoreError>(Some(changed))
        })
        .await?;
    match changed {
        Some(account) => Ok(Changed::Done(account)),
        None if of_id(conn, id).await?.is_some() => Ok(Changed::Stale),
        None => Ok(Changed::Missing),
    }
}

pub(super) async fn change_role(
    conn: &mut AsyncPgConnection,
    id: UserId,
    role: Role,
    grant: bool,
) -> Stored<Option<Account>> {
    conn.transaction(async |conn| {
        let row = users::table
            .filter(users::id.eq(id))
            .filter(users::erased_at.is_null())
            .select(UserRow::as_select())
            .for_update()
            .first(conn)
            .await
            .optional()?;
        let Some(row) = row else { return Ok(None) };
        let mut next = roles(&row.roles);
        if next.contains(&role) == grant {
            return Ok(Some(row.into()));
        }
        next.retain(|held| *held != role);
        if grant {
            next.push(role);
            next.sort_unstable();
        }
        let row = diesel::update(users::table)
            .filter(users::id.eq(id))
            .set((users::roles.eq(role_names(&next)), users::version.eq(users::version + 1)))
            .returning(UserRow::as_returning())
            .get_result(conn)
            .await?;
        Ok::<_, StoreError>(Some(row.into()))
    })
    .await
}

pub(super) async fn rehash(conn: &mut AsyncPgConnection, id: UserId, old: &str, new: &str) -> Stored<()> {
    diesel::update(users::table)
        .filter(users::id.eq(id))
        .filter(users::password_hash.eq(old))
        .set(users::password_hash.eq(new))
        .execute(conn)
        .await?;
    Ok(())
}

pub(super) async fn change_password(
    conn: &mut AsyncPgConnection,
    id: UserId,
    old: &str,
    new: &str,
    keep: SessionId,
) -> Stored<Option<Vec<SessionId>>> {
    conn.transaction(async |conn| {
        let changed = diesel::update(users::table)
            .filter(users::id.eq(id))
            .filter(users::password_hash.eq(old))
            .set(users::password_hash.eq(new))
            .execute(conn)
            .await?;
        if changed == 0 {
            return Ok(None);
        }
        // A link mailed before would undo the change.
        diesel::delete(links::table)
            .filter(links::user_id.eq(id))
            .filter(links::purpose.eq(OneTimePurpose::ResetPassword.as_str()))
            .execute(conn)
            .await?;
        let ended = sessions::end_all(conn, id, Some(keep)).await?;
        Ok::<_, StoreError>(Some(ended))
    })
    .await
}
