//! Applications.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::id;
use crate::{
    contexts::gigs::{ApplicationId, ApplicationView, ApplyForm, GigId, Gigs, OfferForm},
    http::{Idempotent, Json, OptionalJson, Page, PageQuery, Problem, Query, SignedIn},
};

/// Apply to an open gig; once. Takes the role `student`.
#[utoipa::path(post, path = "/api/v1/gigs/{id}/applications", tag = "gigs", request_body = ApplyForm,
    params(
        ("id" = GigId, Path, description = "The gig"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "The client has it", body = ApplicationView)))]
pub async fn apply(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<ApplyForm>,
) -> Result<HttpResponse, Problem> {
    let application = {
        let new = ApplicationId(key.resource_id());
        gigs.apply_as(&who.0, id(&path, "gig")?, new, &form.0).await?
    };
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/applications/{}", application.id)))
        .json(application))
}

/// A gig's applications, the newest first: its client sees all of them, a student their own.
#[utoipa::path(get, path = "/api/v1/gigs/{id}/applications", tag = "gigs",
    params(("id" = GigId, Path, description = "The gig"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of applications", body = Page<ApplicationView>)))]
pub async fn of_gig(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (gig, limit) = (id(&path, "gig")?, query.0.limit()?);
    let (items, next_cursor) = gigs.applications(&who.0, gig, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// One's own applications, the newest first.
#[utoipa::path(get, path = "/api/v1/applications", tag = "gigs", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of applications", body = Page<ApplicationView>)))]
pub async fn mine(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = gigs.my_applications(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// An application, for its student and the gig's client.
#[utoipa::path(get, path = "/api/v1/applications/{id}", tag = "gigs",
    params(("id" = ApplicationId, Path, description = "The application")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The application", body = ApplicationView)))]
pub async fn get(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gigs.application(&who.0, id(&path, "application")?).await?))
}

/// Take a step: `shortlist`, `offer`, `reject` (the client), `accept`, `decline`, `withdraw` (the
/// student).
///
/// `offer` takes the milestones of the contract to be. `accept` makes the contract in the same
/// transaction and answers its id; it takes a verified e-mail address. A step that is not possible now
/// is a 409 with `allowed_transitions`.
#[utoipa::path(post, path = "/api/v1/applications/{id}/{transition}", tag = "gigs",
    request_body = Option<OfferForm>,
    params(
        ("id" = ApplicationId, Path, description = "The application"),
        ("transition" = String, Path, description = "The step"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The application as it is now", body = ApplicationView)))]
pub async fn transition(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: OptionalJson<OfferForm>,
) -> Result<HttpResponse, Problem> {
    let (application, step) = path.into_inner();
    let application = id(&application, "application")?;
    Ok(HttpResponse::Ok().json(gigs.move_application(&who.0, application, &step, &form.0).await?))
}
