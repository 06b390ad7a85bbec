//! Profiles, projects, evidence, endorsements, follows.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::{
    contexts::career::model::{Evidence, EvidenceId, Profile, Project, ProjectId, Visibility},
    postgres::DbError,
    principal::UserId,
};

/// Somebody's profile.
pub async fn load(conn: &mut AsyncPgConnection, user: UserId) -> Result<Option<Profile>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.profiles WHERE user_id = $1")
        .bind::<SqlUuid, _>(user)
        .get_result(conn)
        .await
        .optional()?)
}

/// The profile at an address.
pub async fn by_slug(conn: &mut AsyncPgConnection, slug: &str) -> Result<Option<Profile>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.profiles WHERE slug = $1")
        .bind::<Text, _>(slug)
        .get_result(conn)
        .await
        .optional()?)
}

/// Writes a profile anew; `false` when it is not at the version before any more.
pub async fn update(conn: &mut AsyncPgConnection, profile: &Profile) -> Result<bool, DbError> {
    let written = diesel::sql_query(
        "UPDATE career.profiles SET slug = $2, visibility = $3, skills = $4, doc = $5, version = $6, updated_at = $7
         WHERE user_id = $1 AND version = $6 - 1",
    )
    .bind::<SqlUuid, _>(profile.user_id)
    .bind::<Text, _>(&profile.slug)
    .bind::<Text, _>(profile.visibility.as_str())
    .bind::<Array<Text>, _>(&profile.skills)
    .bind::<Jsonb, _>(&profile.doc)
    .bind::<BigInt, _>(profile.version)
    .bind::<Timestamptz, _>(profile.updated_at)
    .execute(conn)
    .await?;
    Ok(written == 1)
}

/// Somebody's projects, in their order.
pub async fn projects(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<Project>, DbError> {
    Ok(diesel::sql_query("SELECT * FROM career.projects WHERE user_id = $1 ORDER BY position, id LIMIT 100")
        .bind::<SqlUuid, _>(user)
        .load(conn)
        .await?)
}

/// Writes a project's fields; `false` when it is not at the version before any more.
pub async fn update_project(conn: &mut AsyncPgConnection, project: &Project) -> Result<bool, DbError> {
    let written = diesel::sql_query(
        "UPDATE career.projects SET title = $3, summary = $4, url = $5, skills = $6, visibility = $7, version = $8,
                updated_at = $9 WHERE id = $1 AND user_id = $2 AND version = $8 - 1",
    )
    .bind::<SqlUuid, _>(project.id)
    .bind::<SqlUuid, _>(project.user_id)
    .bind::<Text, _>(&project.title)
    .bind::<Text, _>(&project.summary)
    .bind::<Nullable<Text>, _>(&project.url)
    .bind::<Array<Text>, _>(&project.skills)
    .bind::<Text, _>(project.visibility.as_str())
    .bind::<BigInt, _>(project.version)
    .bind::<Timestamptz, _>(project.updated_at)
    .execute(conn)
    .await?;
    Ok(written == 1)
}

/// Puts somebody's projects into an order.
pub async fn order(conn: &mut AsyncPgConnection, user: UserId, ids: &[ProjectId]) -> Result<(), DbError> {
    diesel::sql_query(
        "UPDATE career.projects p SET position = o.n::integer
         FROM unnest($2::uuid[]) WITH ORDINALITY AS o (id, n) WHERE p.id = o.id AND p.user_id = $1",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Array<SqlUuid>, _>(ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a project away; `false` if it was not there.
pub async fn drop_project(
    conn: &mut AsyncPgConnection,
    user: UserId,
    id: ProjectId,
) -> Result<bool, DbError> {
    let gone = diesel::sql_query("DELETE FROM career.projects WHERE id = $1 AND user_id = $2")
        .bind::<SqlUuid, _>(id)
        .bind::<SqlUuid, _>(user);
    Ok(gone.execute(conn).await? == 1)
}

/// Somebody's evidence, newest first: what is shown, or all that was not withdrawn.
pub async fn evidence(
    conn: &mut AsyncPgConnection,
    user: UserId,
    only_shown: bool,
    limit: i32,
) -> Result<Vec<Evidence>, DbError> {
    Ok(diesel::sql_query(
        "SELECT * FROM career.evidence WHERE user_id = $1 AND withdrawn_by IS NULL AND (shown OR NOT $2)
         ORDER BY at DESC, id DESC LIMIT $3",
    )
    .bind::<SqlUuid, _>(user)
    .bind::<Bool, _>(only_shown)
    .bind::<Integer, _>(limit)
    .load(conn)
    .await?)
}

/// Keeps a fact; `false` when it was there.
pub async fn keep(conn: &mut AsyncPgConnection, evidence: &Evidence) -> Result<bool, DbError> {
    let row = serde_json::to_value(evidence).map_err(|error| DbError::Other(error.into()))?;
    let written = diesel::sql_query(
        "INSERT INTO career.evidence SELECT * FROM jsonb_populate_record(NULL::career.evidence, $1)
         ON CONFLICT ON CONSTRAINT evidence_once DO NOTHING",
    )
    .bind::<Jsonb, _>(row)
    .execute(conn)
    .await?;
    Ok(written == 1)
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = SqlUuid)]
    user_id: UserId,
}

/// Takes a fact back; whose it was, if it stood.
pub async fn withdraw(
    conn: &mut AsyncPgConnection,
    fact: &str,
    event: Uuid,
) -> Result<Option<UserId>, DbError> {
    let owner: Option<Owner> = diesel::sql_query(
        "UPDATE career.evidence SET withdrawn_by = $2 WHERE fact = $1 AND withdrawn_by IS NULL RETURNING user_id",
    )
    .bind::<Text, _>(fact)
    .bind::<SqlUuid, _>(event)
    .get_result(conn)
    .await
    .optional()?;
    Ok(owner.map(|owner| owner.user_id))
}

/// Shows a piece of evidence, or hides it.
pub async fn show(
    conn: &mut AsyncPgConnection,
    user: UserId,
    id: EvidenceId,
    shown: bool,
) -> Result<Option<Evidence>, DbError> {
    Ok(diesel::sql_query(
        "UPDATE career.evidence SET shown = $3 WHERE id = $1 AND user_id = $2 AND withdrawn_by IS NULL RETURNING *",
    )
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(user)
    .bind::<Bool, _>(shown)
    .get_result(conn)
    .await
    .optional()?)
}

#[derive(QueryableByName)]
struct Endorsed {
    #[diesel(sql_type = Text)]
    skill: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// How many vouch for each skill of somebody.
pub async fn endorsements(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<(String, i64)>, DbError> {
    let rows: Vec<Endorsed> = diesel::sql_query(
        "SELECT skill, count(*) AS n FROM career.endorsements WHERE user_id = $1 GROUP BY skill",
    )
    .bind::<SqlUuid, _>(user)
    .load(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.skill, row.n)).collect())
}

/// Vouches for a skill of somebody since then; or no more, without a time.
pub async fn endorse(
    conn: &mut AsyncPgConnection,
    user: UserId,
    skill: &str,
    by: UserId,
    at: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    let statement = match at {
        Some(_) => {
            "INSERT INTO career.endorsements (user_id, skill, by_id, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING"
        }
        None => {
            "DELETE FROM career.endorsements WHERE user_id = $1 AND skill = $2 AND by_id = $3 AND $4::timestamptz IS NULL"
        }
    };
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(user)
        .bind::<Text, _>(skill)
        .bind::<SqlUuid, _>(by)
        .bind::<Nullable<Timestamptz>, _>(at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Follows somebody, or a skill, since then; or no more, without a time.
pub async fn follow(
    conn: &mut AsyncPgConnection,
    who: UserId,
    person: Option<UserId>,
    skill: Option<&str>,
    at: Option<DateTime<Utc>>,
) -> Result<(), DbError> {
    let statement = match at {
        Some(_) => {
            "INSERT INTO career.follows (id, follower_id, person_id, skill, created_at)
             VALUES ($5, $1, $2, $3, $4) ON CONFLICT DO NOTHING"
        }
        None => {
            "DELETE FROM career.follows WHERE follower_id = $1 AND (person_id = $2 OR skill = $3)
                AND $4::timestamptz IS NULL AND $5::uuid IS NOT NULL"
        }
    };
    diesel::sql_query(statement)
        .bind::<SqlUuid, _>(who)
        .bind::<Nullable<SqlUuid>, _>(person)
        .bind::<Nullable<Text>, _>(skill)
        .bind::<Nullable<Timestamptz>, _>(at)
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .execute(conn)
        .await?;
    Ok(())
}

#[derive(QueryableByName)]
struct Followed {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    person_id: Option<UserId>,
    #[diesel(sql_type = Nullable<Text>)]
    skill: Option<String>,
}

/// Whom and which skills somebody follows, in the order they began to.
pub async fn follows(
    conn: &mut AsyncPgConnection,
    who: UserId,
) -> Result<(Vec<UserId>, Vec<String>), DbError> {
    let rows: Vec<Followed> = diesel::sql_query(
        "SELECT person_id, skill FROM career.follows WHERE follower_id = $1 ORDER BY created_at, id LIMIT 2000",
    )
    .bind::<SqlUuid, _>(who)
    .load(conn)
    .await?;
    let people = rows.iter().filter_map(|row| row.person_id).collect();
    Ok((people, rows.into_iter().filter_map(|row| row.skill).collect()))
}

#[derive(QueryableByName)]
struct Seen {
    #[diesel(sql_type = SqlUuid)]
    user_id: UserId,
    #[diesel(sql_type = Text)]
    visibility: Visibility,
}

/// Who sees the profiles of these people, where they wrote one.
pub async fn visibilities(
    conn: &mut AsyncPgConnection,
    people: &[UserId],
) -> Result<Vec<(UserId, Visibility)>, DbError> {
    let rows: Vec<Seen> =
        diesel::sql_query("SELECT user_id, visibility FROM career.profiles WHERE user_id = ANY($1)")
            .bind::<Array<SqlUuid>, _>(people)
            .load(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.visibility)).collect())
}

#[derive(QueryableByName)]
struct Sides {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// Whether two people follow each other.
pub async fn connected(conn: &mut AsyncPgConnection, one: UserId, other: UserId) -> Result<bool, DbError> {
    let sides: Sides = diesel::sql_query(
        "SELECT count(*) AS n FROM career.follows
         WHERE (follower_id = $1 AND person_id = $2) OR (follower_id = $2 AND person_id = $1)",
    )
    .bind::<SqlUuid, _>(one)
    .bind::<SqlUuid, _>(other)
    .get_result(conn)
    .await?;
    Ok(sides.n == 2)
}
