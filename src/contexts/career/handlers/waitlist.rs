//! Waiting lists.

use actix_web::{HttpRequest, HttpResponse, web};

use super::id;
use crate::{
    contexts::career::{Career, WaitForm, WaitId, WaitView},
    http::{Idempotent, Json, Page, PageQuery, Problem, Query, SignedIn},
    principal::UserId,
};

/// Wait for a mentor: when a slot within the time is freed it is held for half an hour for whoever waited
/// longest, who is told of it on `user:<id>` (`slot_offered`).
#[utoipa::path(post, path = "/api/v1/mentors/{id}/waitlist", tag = "mentorship", request_body = WaitForm,
    params(
        ("id" = UserId, Path, description = "The mentor"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Waits", body = WaitView)))]
pub async fn wait(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<WaitForm>,
) -> Result<HttpResponse, Problem> {
    let mentor = id(&path, "mentor")?;
    let entry = career.wait_for(&who.0, WaitId(key.resource_id()), mentor, &form.0).await?;
    Ok(HttpResponse::Created().json(entry))
}

/// Where one waits, the newest first.
#[utoipa::path(get, path = "/api/v1/me/waitlist", tag = "mentorship", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of places", body = Page<WaitView>)))]
pub async fn mine(
    career: web::Data<Career>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = career.waiting(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Wait no more.
#[utoipa::path(delete, path = "/api/v1/me/waitlist/{id}", tag = "mentorship",
    params(("id" = WaitId, Path, description = "The place")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Left")))]
pub async fn leave(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    career.stop_waiting(&who.0, id(&path, "waitlist entry")?).await?;
    Ok(HttpResponse::NoContent().finish())
}
