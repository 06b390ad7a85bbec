//! Applications.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;

use super::{moves::At, schema::applications};
use crate::{
    contexts::gigs::model::{Application, ApplicationId, ApplicationState, GigId},
    postgres::DbError,
    principal::UserId,
};

pub async fn insert(conn: &mut AsyncPgConnection, application: &Application) -> Result<(), DbError> {
    diesel::insert_into(applications::table).values(application).execute(conn).await?;
    Ok(())
}

pub async fn load(conn: &mut AsyncPgConnection, id: ApplicationId) -> Result<Option<Application>, DbError> {
    Ok(applications::table.find(id).select(Application::as_select()).first(conn).await.optional()?)
}

pub async fn lock(conn: &mut AsyncPgConnection, id: ApplicationId) -> Result<Option<Application>, DbError> {
    let found = applications::table.find(id).for_update().select(Application::as_select());
    Ok(found.first(conn).await.optional()?)
}

pub async fn set_offer(
    conn: &mut AsyncPgConnection,
    id: ApplicationId,
    offer: &Value,
) -> Result<(), DbError> {
    diesel::update(applications::table.find(id))
        .set(applications::offer.eq(Some(offer)))
        .execute(conn)
        .await?;
    Ok(())
}

/// A page, newest first; of one gig, one student, or both.
pub async fn list(
    conn: &mut AsyncPgConnection,
    gig: Option<GigId>,
    student: Option<UserId>,
    before: Option<ApplicationId>,
    limit: i64,
) -> Result<Vec<Application>, DbError> {
    let mut query = applications::table
        .order(applications::id.desc())
        .limit(limit)
        .select(Application::as_select())
        .into_boxed();
    if let Some(gig) = gig {
        query = query.filter(applications::gig_id.eq(gig));
    }
    if let Some(student) = student {
        query = query.filter(applications::student_id.eq(student));
    }
    if let Some(before) = before {
        query = query.filter(applications::id.lt(before));
    }
    Ok(query.load(conn).await?)
}

/// Some applications of a gig that nobody has decided, locked. The caller holds the gig's lock.
pub async fn undecided(
    conn: &mut AsyncPgConnection,
    gig: GigId,
    limit: i64,
) -> Result<Vec<Application>, DbError> {
    let open = [ApplicationState::Submitted, ApplicationState::Shortlisted, ApplicationState::Offered];
    Ok(applications::table
        .filter(applications::gig_id.eq(gig))
        .filter(applications::state.eq_any(open))
        .order(applications::id)
        .limit(limit)
        .for_update()
        .select(Application::as_select())
        .load(conn)
        .await?)
}

impl From<&Application> for At<ApplicationState> {
    fn from(application: &Application) -> Self {
        Self { id: application.id.0, state: application.state, version: application.version, deadline: None }
    }
}
