//! Notifications.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    contexts::notifications::model::{Item, NotificationId, Which},
    postgres::DbError,
    principal::UserId,
};

/// A row, with what only the store knows.
#[derive(Clone, Debug, QueryableByName)]
pub struct Row {
    #[diesel(sql_type = SqlUuid)]
    pub id: NotificationId,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Bool)]
    pub in_app: bool,
    #[diesel(sql_type = Text)]
    pub title: String,
    #[diesel(sql_type = Text)]
    pub body: String,
    #[diesel(sql_type = Text)]
    pub link: String,
    #[diesel(sql_type = Jsonb)]
    pub data: Value,
    #[diesel(sql_type = Jsonb)]
    pub params: Value,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub actor_id: Option<UserId>,
    #[diesel(sql_type = Integer)]
    pub events: i32,
    #[diesel(sql_type = SqlUuid)]
    pub latest_event: Uuid,
    #[diesel(sql_type = BigInt)]
    pub offset: i64,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub updated_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub read_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub mailed_at: Option<DateTime<Utc>>,
}

/// The columns of [`Row`].
pub const COLUMNS: &str = "i.id, i.kind, i.in_app, i.title, i.body, i.link, i.data, i.params, i.actor_id, i.events, \
    i.latest_event, i.\"offset\", i.created_at, i.updated_at, i.read_at, i.mailed_at";

impl From<Row> for Item {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            title: row.title,
            body: row.body,
            link: row.link,
            data: row.data,
            actor: row.actor_id,
            events: row.events,
            offset: row.offset,
            created_at: row.created_at,
            updated_at: row.updated_at,
            read_at: row.read_at,
        }
    }
}

/// The open notification of a group.
pub async fn open(
    conn: &mut AsyncPgConnection,
    user: UserId,
    kind: &str,
    group: &str,
    in_app: bool,
) -> Result<Option<Row>, DbError> {
    let query = format!(
        "SELECT {COLUMNS} FROM notifications.items i
         WHERE user_id = $1 AND kind = $2 AND group_key = $3 AND in_app = $4 AND read_at IS NULL"
    );
    Ok(diesel::sql_query(query)
        .bind::<SqlUuid, _>(user)
        .bind::<Text, _>(kind)
        .bind::<Text, _>(group)
        .bind::<Bool, _>(in_app)
        .get_result(conn)
        .await
        .optional()?)
}

/// One notification.
pub async fn one(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Option<Row>, DbError> {
    let query = format!("SELECT {COLUMNS} FROM notifications.items i WHERE id = $1");
    Ok(diesel::sql_query(query).bind::<SqlUuid, _>(id).get_result(conn).await.optional()?)
}

/// Writes a notification, new or changed.
pub async fn put(conn: &mut AsyncPgConnection, user: UserId, group: &str, row: &Row) -> Result<(), DbError> {
    diesel::sql_query(
        "INSERT INTO notifications.items (id, user_id, kind, group_key, in_app, title, body, link, data, params,
                                          actor_id, events, latest_event, \"offset\", created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
         ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body, link = excluded.link,
            data = excluded.data, params = excluded.params, actor_id = excluded.actor_id, events = excluded.events,
            latest_event = excluded.latest_event, \"offset\" = excluded.\"offset\",
            created_at = excluded.created_at, updated_at = excluded.updated_at",
    )
    .bind::<SqlUuid, _>(row.id)
    .bind::<SqlUuid, _>(user)
    .bind::<Text, _>(&row.kind)
    .bind::<Text, _>(group)
    .bind::<Bool, _>(row.in_app)
    .bind::<Text, _>(&row.title)
    .bind::<Text, _>(&row.body)
    .bind::<Text, _>(&row.link)
    .bind::<Jsonb, _>(&row.data)
    .bind::<Jsonb, _>(&row.params)
    .bind::<Nullable<SqlUuid>, _>(row.actor_id)
    .bind::<Integer, _>(row.events)
    .bind::<SqlUuid, _>(row.latest_event)
    .bind::<BigInt, _>(row.offset)
    .bind::<Timestamptz, _>(row.created_at)
    .bind::<Timestamptz, _>(row.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a person was told of an event.
pub async fn source(
    conn: &mut AsyncPgConnection,
    user: UserId,
    event: Uuid,
    item: NotificationId,
) -> Result<(), DbError> {
    diesel::sql_query("INSERT INTO notifications.sources (user_id, event_id, item_id) VALUES ($1, $2, $3)")
        .bind::<SqlUuid, _>(user)
        .bind::<SqlUuid, _>(event)
        .bind::<SqlUuid, _>(item)
        .execute(conn)
        .await?;
    Ok(())
}

/// A person's notifications before an offset, the newest first.
pub async fn list(
    conn: &mut AsyncPgConnection,
    user: UserId,
    unread: bool,
    before: i64,
    limit: i64,
) -> Result<Vec<Item>, DbError> {
    let only = if unread { "AND read_at IS NULL" } else { "" };
    let query = format!(
        "SELECT {COLUMNS} FROM notifications.items i
         WHERE user_id = $1 AND in_app AND \"offset\" < $2 {only} ORDER BY \"offset\" DESC LIMIT $3"
    );
    let rows: Vec<Row> = diesel::sql_query(query)
        .bind::<SqlUuid, _>(user)
        .bind::<BigInt, _>(before)
        .bind::<BigInt, _>(limit)
        .load(conn)
        .await?;
    Ok(rows.into_iter().map(Item::from).collect())
}

/// Marks as read; how many were not before. The caller holds the lock.
pub async fn mark_read(
    conn: &mut AsyncPgConnection,
    user: UserId,
    which: &Which,
    now: DateTime<Utc>,
) -> Result<usize, DbError> {
    let (ids, up_to) = match which {
        Which::Ids(ids) => (Some(ids.iter().map(|id| id.0).collect::<Vec<_>>()), i64::MAX),
        Which::UpTo(offset) => (None, *offset),
        Which::All => (None, i64::MAX),
    };
    Ok(diesel::sql_query(
        "UPDATE notifications.items SET read_at = $4
         WHERE user_id = $1 AND in_app AND read_at IS NULL AND ($2 IS NULL OR id = ANY($2)) AND \"offset\" <= $3",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Nullable<Array<SqlUuid>>, _>(ids)
    .bind::<BigInt, _>(up_to)
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?)
}

#[derive(QueryableByName)]
struct Counter {
    #[diesel(sql_type = Integer)]
    unread: i32,
    #[diesel(sql_type = BigInt)]
    last_offset: i64,
}

/// How many are unread, and where the log ends.
pub async fn unread(conn: &mut AsyncPgConnection, user: UserId) -> Result<(i32, i64), DbError> {
    let found: Option<Counter> =
        diesel::sql_query("SELECT unread, last_offset FROM notifications.streams WHERE user_id = $1")
            .bind::<SqlUuid, _>(user)
            .get_result(conn)
            .await
            .optional()?;
    Ok(found.map_or((0, 0), |found| (found.unread, found.last_offset)))
}
