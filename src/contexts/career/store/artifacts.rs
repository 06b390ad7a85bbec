//! Pictures and documents of projects.

use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::{
    contexts::career::model::{Artifact, ArtifactId, ProjectId},
    postgres::DbError,
    principal::UserId,
};

/// Those of these projects, each project's in its order.
pub async fn of(conn: &mut AsyncPgConnection, projects: &[ProjectId]) -> Result<Vec<Artifact>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.artifacts WHERE project_id = ANY($1) ORDER BY project_id, position, id",
    )
    .bind::<Array<SqlUuid>, _>(projects)
    .load(conn)
    .await?)
}

/// One of them.
pub async fn load(conn: &mut AsyncPgConnection, id: ArtifactId) -> Result<Option<Artifact>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.artifacts WHERE id = $1")
        .bind::<SqlUuid, _>(id)
        .get_result(conn)
        .await
        .optional()?)
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = SqlUuid)]
    user_id: UserId,
    #[diesel(sql_type = diesel::sql_types::Text)]
    visibility: crate::contexts::career::model::Visibility,
}

/// Whose a project is, and who sees it.
pub async fn project(
    conn: &mut AsyncPgConnection,
    id: ProjectId,
) -> Result<Option<(UserId, crate::contexts::career::model::Visibility)>, DbError> {
    let found: Option<Owner> =
        diesel::sql_query("SELECT user_id, visibility FROM career.projects WHERE id = $1")
            .bind::<SqlUuid, _>(id)
            .get_result(conn)
            .await
            .optional()?;
    Ok(found.map(|found| (found.user_id, found.visibility)))
}

/// Locks somebody's project against additions and removal; `false` when it is not theirs or not there.
pub async fn lock_project(
    conn: &mut AsyncPgConnection,
    owner: UserId,
    id: ProjectId,
) -> Result<bool, DbError> {
    let found = diesel::sql_query("SELECT id FROM career.projects WHERE id = $1 AND user_id = $2 FOR UPDATE")
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(owner);
    Ok(found.execute(conn).await? == 1)
}

/// Takes one away; it, if it was there.
pub async fn drop_one(
    conn: &mut AsyncPgConnection,
    project: ProjectId,
    id: ArtifactId,
) -> Result<Option<Artifact>, DbError> {
    Ok(diesel::sql_query("DELETE FROM career.artifacts WHERE id = $1 AND project_id = $2 RETURNING *")
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(project)
        .get_result(conn)
        .await
        .optional()?)
}

/// Puts a project's artifacts into an order.
pub async fn order(
    conn: &mut AsyncPgConnection,
    project: ProjectId,
    ids: &[ArtifactId],
) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.artifacts a SET position = o.n::integer
         FROM unnest($2::uuid[]) WITH ORDINALITY AS o (id, n) WHERE a.id = o.id AND a.project_id = $1",
    )
    .bind::<SqlUuid, _>(project)
    .bind::<Array<SqlUuid>, _>(ids)
    .execute(conn)
    .await?;
    Ok(())
}
