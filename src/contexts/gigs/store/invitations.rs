//! Invitations to apply.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::invitations;
use crate::{
    contexts::gigs::model::{GigId, Invitation, InvitationId},
    postgres::DbError,
    principal::UserId,
};

/// Writes an invitation; `false` when this person is invited to the gig already.
pub async fn insert(conn: &mut AsyncPgConnection, invitation: &Invitation) -> Result<bool, DbError> {
    let written =
        diesel::insert_into(invitations::table).values(invitation).on_conflict_do_nothing().execute(conn);
    Ok(written.await? == 1)
}

/// The invitation of a person to a gig.
pub async fn find(
    conn: &mut AsyncPgConnection,
    gig: GigId,
    student: UserId,
) -> Result<Option<Invitation>, DbError> {
    let found = invitations::table
        .filter(invitations::gig_id.eq(gig))
        .filter(invitations::student_id.eq(student))
        .select(Invitation::as_select());
    Ok(found.first(conn).await.optional()?)
}

/// How many people a gig has invited.
pub async fn count(conn: &mut AsyncPgConnection, gig: GigId) -> Result<i64, DbError> {
    Ok(invitations::table.filter(invitations::gig_id.eq(gig)).count().get_result(conn).await?)
}

/// A page, newest first; of one gig or of one student.
pub async fn list(
    conn: &mut AsyncPgConnection,
    gig: Option<GigId>,
    student: Option<UserId>,
    before: Option<InvitationId>,
    limit: i64,
) -> Result<Vec<Invitation>, DbError> {
    let mut query = invitations::table
        .order(invitations::id.desc())
        .limit(limit)
        .select(Invitation::as_select())
        .into_boxed();
    if let Some(gig) = gig {
        query = query.filter(invitations::gig_id.eq(gig));
    }
    if let Some(student) = student {
        query = query.filter(invitations::student_id.eq(student));
    }
    if let Some(before) = before {
        query = query.filter(invitations::id.lt(before));
    }
    Ok(query.load(conn).await?)
}
