//! Activity over HTTP.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::{Activity, ActivityError, Entry, xapi};
use crate::{
    http::{Page, PageQuery, Problem, Query, SignedIn},
    principal::UserId,
};

#[derive(OpenApi)]
#[openapi(paths(mine, statements, of_person), tags((name = "activity", description = "Who did what")))]
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

/// Statements of xAPI 1.0.3, as a learning record store takes and gives them.
#[derive(Serialize, ToSchema)]
pub struct StatementResult {
    /// The statements, the newest first.
    #[schema(value_type = Vec<Object>)]
    statements: Vec<Value>,
    /// Where there are more; empty at the end.
    more: String,
}

/// What one did oneself as xAPI 1.0.3 statements, the newest first: to take along to a learning record store.
#[utoipa::path(get, path = "/api/v1/me/activity/xapi", tag = "activity", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Statements", body = StatementResult)))]
pub async fn statements(
    activity: web::Data<Activity>,
    who: SignedIn,
    query: Query<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (statements, next) = activity.statements(who.0.user_id, limit, query.0.cursor.as_deref()).await?;
    let more = next.map_or_else(String::new, |cursor| {
        // A cursor is base64url: it needs no escaping.
        format!("/api/v1/me/activity/xapi?limit={limit}&cursor={cursor}")
    });
    Ok(HttpResponse::Ok()
        .insert_header(("X-Experience-API-Version", xapi::VERSION))
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .json(StatementResult { statements, more }))
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
