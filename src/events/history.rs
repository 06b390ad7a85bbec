//! What was recorded, for those who come later: the outbox, as long as it remembers.

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Jsonb, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Envelope, consumer::takes};
use crate::postgres::DbError;

/// Events that some consumer listens to, recorded after `after` (a [`Envelope::sequence`]; 0 for all), the
/// first `limit` of them in order. The outbox forgets what everybody handled a month ago.
///
/// # Errors
/// The database's.
pub async fn past(
    conn: &mut AsyncPgConnection,
    subjects: &[&str],
    after: i64,
    limit: i64,
) -> Result<Vec<Envelope>, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        seq: i64,
        #[diesel(sql_type = Jsonb)]
        envelope: serde_json::Value,
    }
    debug_assert!(subjects.iter().all(|subject| takes(subject, subject)), "no patterns here");
    let rows: Vec<Row> = diesel::sql_query(
        "select seq, envelope from platform.outbox where seq > $1 and subject = any($2) order by seq limit $3",
    )
    .bind::<BigInt, _>(after)
    .bind::<Array<Text>, _>(subjects)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    let event = |row: Row| {
        // The row's number, since the envelope was written before it had one.
        Envelope::from_json(row.envelope).ok().map(|event| Envelope { sequence: row.seq, ..event })
    };
    Ok(rows.into_iter().filter_map(event).collect())
}

/// How many events are recorded and not yet handled by a consumer: on their way, or in its inbox. Dead
/// letters do not count.
///
/// # Errors
/// The database's.
pub async fn backlog(conn: &mut AsyncPgConnection, consumer: &str) -> Result<i64, DbError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        waiting: i64,
    }
    let row: Count = diesel::sql_query(
        "select (select count(*) from platform.outbox where received_at is null)
              + (select count(*) from platform.inbox
                 where consumer = $1 and handled_at is null and died_at is null) as waiting",
    )
    .bind::<Text, _>(consumer)
    .get_result(conn)
    .await?;
    Ok(row.waiting)
}

/// The aggregates of which an event of that subject is recorded and not yet handled by a consumer: on its way, or in
/// its inbox; each once, `limit` of them. Dead letters do not count.
///
/// # Errors
/// The database's.
pub async fn unheard(
    conn: &mut AsyncPgConnection,
    consumer: &str,
    subject: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        aggregate: String,
    }
    let rows: Vec<Row> = diesel::sql_query(
        "select aggregate from platform.outbox where received_at is null and subject = $2
         union
         select aggregate from platform.inbox
         where consumer = $1 and subject = $2 and handled_at is null and died_at is null
         limit $3",
    )
    .bind::<Text, _>(consumer)
    .bind::<Text, _>(subject)
    .bind::<BigInt, _>(limit)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| row.aggregate).collect())
}
