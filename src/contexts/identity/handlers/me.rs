//! One's own profile, and the end of one's account.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use crate::{
    contexts::identity::{Account, DeletionForm, DeletionView, Identity, MeView, ProfilePatch},
    http::{ClientAddr, IfMatch, Json, Problem, SignedIn, etag, extract::not_modified},
};

/// One's own account.
#[utoipa::path(get, path = "/api/v1/me", tag = "me", security(("bearer" = []), ("cookie" = [])),
    params(("If-None-Match" = Option<String>, Header, description = "An ETag that was read before")),
    responses((status = 200, description = "The account", body = MeView,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 304, description = "Unchanged")))]
pub async fn get(
    identity: web::Data<Identity>,
    who: SignedIn,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let account = identity.me(who.0.user_id).await?;
    if not_modified(&req, account.version) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag(account.version))).finish());
    }
    Ok(tagged(&account))
}

/// Change one's profile. What is absent stays; `null` removes.
#[utoipa::path(patch, path = "/api/v1/me", tag = "me", request_body = ProfilePatch,
    security(("bearer" = []), ("cookie" = [])),
    params(("If-Match" = String, Header, description = "The ETag that was last read")),
    responses((status = 200, description = "The account", body = MeView,
            headers(("ETag" = String, description = "For If-Match"))),
        (status = 412, description = "Changed in the meantime", body = crate::http::problem::ProblemBody,
            content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = crate::http::problem::ProblemBody,
            content_type = "application/problem+json")))]
pub async fn patch(
    identity: web::Data<Identity>,
    who: SignedIn,
    seen: IfMatch,
    form: Json<ProfilePatch>,
) -> Result<HttpResponse, Problem> {
    let version = identity.me(who.0.user_id).await?.version;
    seen.check(version)?;
    let account = identity.change_profile(who.0.user_id, version, &form.0).await?;
    Ok(tagged(&account))
}

/// Ask for one's account to be deleted in 14 days, or at once; every other session ends.
///
/// Once it is erased, the session that is left may look for an hour on how everybody forgets
/// (`GET /api/v1/me/erasure`), and do nothing else.
#[utoipa::path(post, path = "/api/v1/me/deletion", tag = "me", request_body = DeletionForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "Scheduled; asking again keeps the date", body = DeletionView)))]
pub async fn request_deletion(
    identity: web::Data<Identity>,
    who: SignedIn,
    from: ClientAddr,
    form: Json<DeletionForm>,
) -> Result<HttpResponse, Problem> {
    let deletion = identity.request_deletion(&who.0, &form.0, from.0).await?;
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, "/api/v1/me")).json(deletion))
}

/// Keep one's account after all.
#[utoipa::path(delete, path = "/api/v1/me/deletion", tag = "me",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "The account stays")))]
pub async fn cancel_deletion(identity: web::Data<Identity>, who: SignedIn) -> Result<HttpResponse, Problem> {
    identity.cancel_deletion(&who.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn tagged(account: &Account) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::ETAG, etag(account.version)))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .json(MeView::from(account))
}
