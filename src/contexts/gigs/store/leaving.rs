//! What somebody who is erased is still in.

use diesel::{QueryableByName, sql_types::Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::gigs::model::{ApplicationId, ContractId, GigId},
    postgres::DbError,
    principal::UserId,
};

#[derive(QueryableByName)]
struct Gig {
    #[diesel(sql_type = SqlUuid)]
    id: GigId,
}

#[derive(QueryableByName)]
struct Applied {
    #[diesel(sql_type = SqlUuid)]
    id: ApplicationId,
    #[diesel(sql_type = SqlUuid)]
    gig_id: GigId,
}

#[derive(QueryableByName)]
struct Contract {
    #[diesel(sql_type = SqlUuid)]
    id: ContractId,
}

/// Their gigs that have not ended.
pub async fn gigs(conn: &mut AsyncPgConnection, person: UserId) -> Result<Vec<GigId>, DbError> {
    let found: Vec<Gig> = diesel::sql_query(
        "SELECT id FROM gigs.gigs WHERE owner_id = $1 AND state IN ('draft', 'open', 'paused') ORDER BY id",
    )
    .bind::<SqlUuid, _>(person)
    .load(conn)
    .await?;
    Ok(found.into_iter().map(|gig| gig.id).collect())
}

/// Their applications that are not decided, each with its gig.
pub async fn applications(
    conn: &mut AsyncPgConnection,
    person: UserId,
) -> Result<Vec<(ApplicationId, GigId)>, DbError> {
    let found: Vec<Applied> = diesel::sql_query(
        "SELECT id, gig_id FROM gigs.applications
         WHERE student_id = $1 AND state IN ('submitted', 'shortlisted', 'offered') ORDER BY id",
    )
    .bind::<SqlUuid, _>(person)
    .load(conn)
    .await?;
    Ok(found.into_iter().map(|one| (one.id, one.gig_id)).collect())
}

/// Their contracts that nobody has paid for.
pub async fn unfunded(conn: &mut AsyncPgConnection, person: UserId) -> Result<Vec<ContractId>, DbError> {
    let found: Vec<Contract> = diesel::sql_query(
        "SELECT id FROM gigs.contracts
         WHERE (client_id = $1 OR student_id = $1) AND state = 'pending_funding' ORDER BY id",
    )
    .bind::<SqlUuid, _>(person)
    .load(conn)
    .await?;
    Ok(found.into_iter().map(|contract| contract.id).collect())
}
