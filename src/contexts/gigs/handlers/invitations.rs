//! Invitations to apply.

use actix_web::{HttpRequest, HttpResponse, web};

use super::id;
use crate::{
    contexts::gigs::{GigId, Gigs, InvitationForm, InvitationId, InvitationView},
    http::{Idempotent, Json, Page, PageQuery, Problem, Query, SignedIn},
};

/// Invite a person to apply to an open gig; once. Takes being its client.
#[utoipa::path(post, path = "/api/v1/gigs/{id}/invitations", tag = "gigs", request_body = InvitationForm,
    params(
        ("id" = GigId, Path, description = "The gig"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "They are told", body = InvitationView)))]
pub async fn invite(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<InvitationForm>,
) -> Result<HttpResponse, Problem> {
    let new = InvitationId(key.resource_id());
    Ok(HttpResponse::Created().json(gigs.invite(&who.0, id(&path, "gig")?, new, &form.0).await?))
}

/// Whom a gig has invited, the newest first. Takes being its client.
#[utoipa::path(get, path = "/api/v1/gigs/{id}/invitations", tag = "gigs",
    params(("id" = GigId, Path, description = "The gig"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of invitations", body = Page<InvitationView>)))]
pub async fn of_gig(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (gig, limit) = (id(&path, "gig")?, query.0.limit()?);
    let (items, next_cursor) = gigs.invitations_of(&who.0, gig, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// To what one was invited, the newest first.
#[utoipa::path(get, path = "/api/v1/invitations", tag = "gigs", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of invitations", body = Page<InvitationView>)))]
pub async fn mine(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = gigs.my_invitations(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}
