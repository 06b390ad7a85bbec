//! The stream in Postgres, schema `activity`.

use chrono::{DateTime, Utc};
use diesel::{deserialize::QueryableByName, pg::Pg, prelude::*, row::NamedRow, sql_types};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use super::{ActivityStream, Answer};
use crate::{
    contexts::activity::{ActivityError, Entry, Object},
    postgres::Database,
    principal::UserId,
};

diesel::table! {
    activity.entries (id) {
        id -> Uuid,
        actor_id -> Uuid,
        verb -> Text,
        object_kind -> Text,
        object_id -> Uuid,
        public -> Bool,
        data -> Jsonb,
        at -> Timestamptz,
    }
}

/// The stream in Postgres.
#[derive(Clone)]
pub struct PostgresActivity {
    db: Database,
}

impl PostgresActivity {
    /// In that database.
    pub fn new(db: Database) -> Self {
        Self { db }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = entries, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    actor_id: UserId,
    verb: String,
    object_kind: String,
    object_id: Uuid,
    public: bool,
    data: Value,
    at: DateTime<Utc>,
}

/// A row by the names of its columns.
struct Named(Row);

impl QueryableByName<Pg> for Named {
    fn build<'a>(row: &impl NamedRow<'a, Pg>) -> diesel::deserialize::Result<Self> {
        Ok(Self(Row {
            id: NamedRow::get::<sql_types::Uuid, _>(row, "id")?,
            actor_id: NamedRow::get::<sql_types::Uuid, _>(row, "actor_id")?,
            verb: NamedRow::get::<sql_types::Text, _>(row, "verb")?,
            object_kind: NamedRow::get::<sql_types::Text, _>(row, "object_kind")?,
            object_id: NamedRow::get::<sql_types::Uuid, _>(row, "object_id")?,
            public: NamedRow::get::<sql_types::Bool, _>(row, "public")?,
            data: NamedRow::get::<sql_types::Jsonb, _>(row, "data")?,
            at: NamedRow::get::<sql_types::Timestamptz, _>(row, "at")?,
        }))
    }
}

impl From<&Entry> for Row {
    fn from(entry: &Entry) -> Self {
        let Entry { id, actor_id, verb, object, public, data, at } = entry.clone();
        Self { id, actor_id, verb, object_kind: object.kind, object_id: object.id, public, data, at }
    }
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let Row { id, actor_id, verb, object_kind, object_id, public, data, at } = row;
        Self { id, actor_id, verb, object: Object { kind: object_kind, id: object_id }, public, data, at }
    }
}

impl ActivityStream for PostgresActivity {
    fn append<'a>(&'a self, conn: &'a mut AsyncPgConnection, new: &'a [Entry]) -> Answer<'a, ()> {
        Box::pin(async move {
            let rows: Vec<Row> = new.iter().map(Row::from).collect();
            diesel::insert_into(entries::table).values(rows).on_conflict_do_nothing().execute(conn).await?;
            Ok(())
        })
    }

    fn of<'a>(
        &'a self,
        people: &'a [UserId],
        public_only: bool,
        before: Option<Uuid>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let mut query = entries::table
                .filter(entries::actor_id.eq_any(people))
                .order(entries::id.desc())
                .limit(i64::try_from(limit).unwrap_or(i64::MAX))
                .select(Row::as_select())
                .into_boxed();
            if public_only {
                query = query.filter(entries::public);
            }
            if let Some(before) = before {
                query = query.filter(entries::id.lt(before));
            }
            let mut conn = self.db.conn().await.map_err(ActivityError::from)?;
            let rows: Vec<Row> = query.load(&mut conn).await?;
            Ok(rows.into_iter().map(Entry::from).collect())
        })
    }

    fn followed<'a>(
        &'a self,
        people: &'a [UserId],
        skills: &'a [String],
        not: &'a [UserId],
        before: Option<Uuid>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let mut conn = self.db.conn().await.map_err(ActivityError::from)?;
            // Each part by its index, newest first; then the two together.
            let rows: Vec<Named> = diesel::sql_query(
                "SELECT * FROM (
                    (SELECT * FROM activity.entries WHERE public AND actor_id = ANY($1) AND ($4 IS NULL OR id < $4)
                        AND NOT actor_id = ANY($3) ORDER BY id DESC LIMIT $5)
                    UNION
                    (SELECT * FROM activity.entries WHERE public AND data -> 'skills' ?| $2
                        AND ($4 IS NULL OR id < $4) AND NOT actor_id = ANY($3) ORDER BY id DESC LIMIT $5)
                 ) both_ ORDER BY id DESC LIMIT $5",
            )
            .bind::<sql_types::Array<sql_types::Uuid>, _>(people)
            .bind::<sql_types::Array<sql_types::Text>, _>(skills)
            .bind::<sql_types::Array<sql_types::Uuid>, _>(not)
            .bind::<sql_types::Nullable<sql_types::Uuid>, _>(before)
            .bind::<sql_types::BigInt, _>(i64::try_from(limit).unwrap_or(i64::MAX))
            .load(&mut conn)
            .await?;
            Ok(rows.into_iter().map(|row| Entry::from(row.0)).collect())
        })
    }

    fn erase<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, u64> {
        Box::pin(async move {
            let theirs = entries::actor_id
                .eq(person)
                .or(entries::object_kind.eq("person").and(entries::object_id.eq(person.0)));
            let gone = diesel::delete(entries::table.filter(theirs)).execute(conn).await?;
            Ok(gone as u64)
        })
    }

    fn expire(&self, before: DateTime<Utc>) -> Answer<'_, u64> {
        Box::pin(async move {
            let mut conn = self.db.conn().await?;
            let gone =
                diesel::delete(entries::table.filter(entries::at.lt(before))).execute(&mut conn).await?;
            Ok(gone as u64)
        })
    }
}
