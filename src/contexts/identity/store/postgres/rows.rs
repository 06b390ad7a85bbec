//! Rows as diesel reads them.

use chrono::{DateTime, Utc};
use diesel::{Insertable, Queryable, Selectable};

use crate::{
    contexts::identity::{
        model::{Account, Email, Person, Session},
        store::{
            Credentials, InsertAccount,
            schema::{sessions, users},
        },
        tokens::TokenHash,
    },
    principal::{Role, SessionId, UserId},
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct UserRow {
    id: UserId,
    // Null only in erased rows, which no query here returns.
    email: Option<String>,
    email_verified_at: Option<DateTime<Utc>>,
    password_hash: Option<String>,
    display_name: String,
    headline: Option<String>,
    bio: Option<String>,
    time_zone: Option<String>,
    pub(super) roles: Vec<String>,
    version: i64,
    created_at: DateTime<Utc>,
    deletion_due_at: Option<DateTime<Utc>>,
}

/// Roles as the model has them: known ones, sorted.
pub(super) fn roles(names: &[String]) -> Vec<Role> {
    let mut roles: Vec<Role> = names.iter().filter_map(|name| Role::parse(name)).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

pub(super) fn role_names(roles: &[Role]) -> Vec<String> {
    roles.iter().map(|role| role.as_str().to_owned()).collect()
}

impl From<UserRow> for Account {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: Email::stored(row.email.unwrap_or_default()),
            email_verified_at: row.email_verified_at,
            display_name: row.display_name,
            headline: row.headline,
            bio: row.bio,
            time_zone: row.time_zone,
            roles: roles(&row.roles),
            version: row.version,
            created_at: row.created_at,
            deletion_due_at: row.deletion_due_at,
        }
    }
}

impl From<UserRow> for Credentials {
    fn from(mut row: UserRow) -> Self {
        let password_hash = row.password_hash.take();
        Self { account: row.into(), password_hash }
    }
}

#[derive(Insertable)]
#[diesel(table_name = users)]
pub(super) struct NewUserRow<'a> {
    id: UserId,
    email: &'a str,
    email_verified_at: Option<DateTime<Utc>>,
    password_hash: Option<&'a str>,
    display_name: &'a str,
    headline: Option<&'a str>,
    bio: Option<&'a str>,
    time_zone: Option<&'a str>,
    roles: Vec<String>,
    created_at: DateTime<Utc>,
}

impl<'a> From<&'a InsertAccount> for NewUserRow<'a> {
    fn from(new: &'a InsertAccount) -> Self {
        let account = &new.account;
        Self {
            id: account.id,
            email: account.email.as_str(),
            email_verified_at: account.email_verified_at,
            password_hash: new.password_hash.as_deref(),
            display_name: &account.display_name,
            headline: account.headline.as_deref(),
            bio: account.bio.as_deref(),
            time_zone: account.time_zone.as_deref(),
            roles: role_names(&account.roles),
            created_at: account.created_at,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users, check_for_backend(diesel::pg::Pg))]
pub(super) struct PersonRow {
    id: UserId,
    display_name: String,
    headline: Option<String>,
    roles: Vec<String>,
}

impl From<PersonRow> for Person {
    fn from(row: PersonRow) -> Self {
        Self { id: row.id, display_name: row.display_name, headline: row.headline, roles: roles(&row.roles) }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(diesel::pg::Pg))]
pub(super) struct SessionRow {
    id: SessionId,
    user_id: UserId,
    device: Option<String>,
    address: Option<String>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl From<SessionRow> for Session {
    fn from(row: SessionRow) -> Self {
        Self {
            id: row.id,
            user_id: row.user_id,
            device: row.device,
            address: row.address,
            created_at: row.created_at,
            last_seen_at: row.last_seen_at,
            expires_at: row.expires_at,
        }
    }
}

#[derive(Insertable)]
#[diesel(table_name = sessions)]
pub(super) struct NewSessionRow<'a> {
    id: SessionId,
    user_id: UserId,
    token_hash: &'a [u8],
    device: Option<&'a str>,
    address: Option<&'a str>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl<'a> NewSessionRow<'a> {
    pub(super) fn new(session: &'a Session, token: &'a TokenHash) -> Self {
        Self {
            id: session.id,
            user_id: session.user_id,
            token_hash: &token.0,
            device: session.device.as_deref(),
            address: session.address.as_deref(),
            created_at: session.created_at,
            last_seen_at: session.last_seen_at,
            expires_at: session.expires_at,
        }
    }
}
