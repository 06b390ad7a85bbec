//! What one wants to be told, and how.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use crate::{
    contexts::notifications::{
        KindsView, Notifications, PreferencesForm, PreferencesPatch, PreferencesView, model::Chosen,
    },
    http::{IfMatch, Json, Problem, SignedIn, etag, extract::not_modified, problem::ProblemBody},
};

/// One's own preferences.
#[utoipa::path(get, path = "/api/v1/notifications/preferences", tag = "notifications",
    security(("bearer" = []), ("cookie" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "An ETag that was read before")),
    responses((status = 200, description = "The preferences", body = PreferencesView,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 304, description = "Unchanged")))]
pub async fn get(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let chosen = notifications.preferences(who.0.user_id).await?;
    if not_modified(&req, chosen.version) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag(chosen.version))).finish());
    }
    Ok(tagged(&chosen))
}

/// Replace one's preferences. What is left out is as for somebody who never chose.
#[utoipa::path(put, path = "/api/v1/notifications/preferences", tag = "notifications",
    request_body = PreferencesForm, security(("bearer" = []), ("cookie" = [])),
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    responses((status = 200, description = "The preferences", body = PreferencesView,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 412, description = "Changed in the meantime", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemBody,
            content_type = "application/problem+json")))]
pub async fn replace(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    seen: IfMatch,
    form: Json<PreferencesForm>,
) -> Result<HttpResponse, Problem> {
    let version = notifications.preferences(who.0.user_id).await?.version;
    seen.check(version)?;
    Ok(tagged(&notifications.replace_preferences(who.0.user_id, version, &form.0).await?))
}

/// Change one's preferences. What is left out stays.
#[utoipa::path(patch, path = "/api/v1/notifications/preferences", tag = "notifications",
    request_body = PreferencesPatch, security(("bearer" = []), ("cookie" = [])),
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    responses((status = 200, description = "The preferences", body = PreferencesView,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 412, description = "Changed in the meantime", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemBody,
            content_type = "application/problem+json")))]
pub async fn change(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    seen: IfMatch,
    patch: Json<PreferencesPatch>,
) -> Result<HttpResponse, Problem> {
    let version = notifications.preferences(who.0.user_id).await?.version;
    seen.check(version)?;
    Ok(tagged(&notifications.change_preferences(who.0.user_id, version, &patch.0).await?))
}

/// Every kind of notification, for a page of settings.
#[utoipa::path(get, path = "/api/v1/notifications/kinds", tag = "notifications",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The kinds", body = KindsView)))]
pub async fn kinds(_who: SignedIn) -> HttpResponse {
    HttpResponse::Ok().json(KindsView::all())
}

fn tagged(chosen: &Chosen) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag(chosen.version)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(PreferencesView::from(chosen))
}
