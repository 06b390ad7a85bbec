//! Saved searches.

use actix_web::{HttpResponse, http::header, web};

use super::id;
use crate::{
    contexts::gigs::{Gigs, SavedSearchForm, SavedSearchId, SavedSearchView},
    http::{Idempotent, Json, Page, Problem, SignedIn},
};

/// Keep a search: each gig posted from now on that meets it is told to you. 20 at most.
#[utoipa::path(post, path = "/api/v1/saved-searches", tag = "gigs", request_body = SavedSearchForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Kept", body = SavedSearchView)))]
pub async fn save(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    key: Idempotent,
    form: Json<SavedSearchForm>,
) -> Result<HttpResponse, Problem> {
    let search = gigs.save_search(&who.0, SavedSearchId(key.resource_id()), &form.0).await?;
    let place = format!("/api/v1/saved-searches/{}", search.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, place)).json(search))
}

/// One's own searches, the newest first.
#[utoipa::path(get, path = "/api/v1/saved-searches", tag = "gigs",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "All of them", body = Page<SavedSearchView>)))]
pub async fn list(gigs: web::Data<Gigs>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let items = gigs.saved_searches(&who.0).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// A search of one's own.
#[utoipa::path(get, path = "/api/v1/saved-searches/{id}", tag = "gigs",
    params(("id" = SavedSearchId, Path, description = "The search")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The search", body = SavedSearchView)))]
pub async fn get(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gigs.saved_search(&who.0, id(&path, "saved search")?).await?))
}

/// Forget a search of one's own.
#[utoipa::path(delete, path = "/api/v1/saved-searches/{id}", tag = "gigs",
    params(("id" = SavedSearchId, Path, description = "The search")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Forgotten")))]
pub async fn forget(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    gigs.forget_search(&who.0, id(&path, "saved search")?).await?;
    Ok(HttpResponse::NoContent().finish())
}
