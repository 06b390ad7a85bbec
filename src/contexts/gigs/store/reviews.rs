//! Reviews.

use chrono::{DateTime, Utc};
use diesel::{
    prelude::*,
    sql_types::{BigInt, Double, Nullable, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::reviews;
use crate::{
    contexts::gigs::model::{ContractId, Review, ReviewId},
    postgres::DbError,
    principal::UserId,
};

pub async fn insert(conn: &mut AsyncPgConnection, review: &Review) -> Result<(), DbError> {
    diesel::insert_into(reviews::table).values(review).execute(conn).await?;
    Ok(())
}

pub async fn of_contract(conn: &mut AsyncPgConnection, id: ContractId) -> Result<Vec<Review>, DbError> {
    Ok(reviews::table
        .filter(reviews::contract_id.eq(id))
        .order(reviews::id)
        .select(Review::as_select())
        .load(conn)
        .await?)
}

/// Shows a contract's reviews to everybody; how many that changed.
pub async fn publish(
    conn: &mut AsyncPgConnection,
    id: ContractId,
    at: DateTime<Utc>,
) -> Result<Vec<Review>, DbError> {
    Ok(diesel::update(
        reviews::table.filter(reviews::contract_id.eq(id)).filter(reviews::published_at.is_null()),
    )
    .set(reviews::published_at.eq(Some(at)))
    .returning(Review::as_returning())
    .get_results(conn)
    .await?)
}

/// A page of what was published about a person, newest first.
pub async fn about(
    conn: &mut AsyncPgConnection,
    who: UserId,
    before: Option<ReviewId>,
    limit: i64,
) -> Result<Vec<Review>, DbError> {
    let mut query = reviews::table
        .filter(reviews::subject_id.eq(who))
        .filter(reviews::published_at.is_not_null())
        .order(reviews::id.desc())
        .limit(limit)
        .select(Review::as_select())
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(reviews::id.lt(before));
    }
    Ok(query.load(conn).await?)
}

#[derive(QueryableByName)]
struct Rated {
    #[diesel(sql_type = Nullable<Double>)]
    average: Option<f64>,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The mean of the published ratings, and how many there are.
pub async fn rating(conn: &mut AsyncPgConnection, who: UserId) -> Result<(Option<f64>, i64), DbError> {
    let rated: Rated = diesel::sql_query(
        "SELECT avg(rating)::float8 AS average, count(*) AS count FROM gigs.reviews
         WHERE subject_id = $1 AND published_at IS NOT NULL",
    )
    .bind::<SqlUuid, _>(who)
    .get_result(conn)
    .await?;
    Ok((rated.average, rated.count))
}
