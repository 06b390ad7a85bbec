//! Activity over HTTP.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use utoipa::OpenApi;

use super::{Activity, ActivityError, Entry};
use crate::{
    http::{Page, PageQuery, Problem, Query, SignedIn},
    principal::UserId,
};

#[derive(OpenApi)]
#[openapi(paths(mine, of_person), tags((name = "activity", description = "Who did what")))]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// What one did oneself, the newest first: what others see, and what they do not.
#[utoipa::path(get, path = "/api/v1/me/activity", tag = "activity", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of activity", body = Page<Entry>)))]
pub async fn mine(
    activity: web::Data<Activity>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = activity.of(who.0.user_id, false, limit, query.0.cursor.as_deref()).await?;
    let mut answer = Page { items, next_cursor }.respond(&req);
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("private, no-store"));
    Ok(answer)
}

/// What a person did that everybody may see, the newest first.
#[utoipa::path(get, path = "/api/v1/people/{id}/activity", tag = "activity",
    params(("id" = UserId, Path, description = "The person"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of activity", body = Page<Entry>)))]
pub async fn of_person(
    activity: web::Data<Activity>,
    _who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let person = path.parse().map_err(|_| ActivityError::NoPerson)?;
    let limit = query.0.limit()?;
    let (items, next_cursor) = activity.of(person, true, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}
