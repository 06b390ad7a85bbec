//! Calendars to subscribe to.

use actix_web::{HttpResponse, http::header, web};

use crate::{
    contexts::career::{Career, FeedView},
    http::{Problem, SignedIn},
};

/// An iCalendar file.
pub(super) fn file(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/calendar; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, "inline; filename=\"gigsy.ics\""))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .body(text)
}

/// Whether one has a calendar to subscribe to. Its address is not shown again.
#[utoipa::path(get, path = "/api/v1/me/calendar", tag = "mentorship",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "It", body = FeedView)))]
pub async fn get(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(career.feed(&who.0).await?))
}

/// Make one's calendar, or give it a new address: the old one ends. Whoever has the address reads it.
#[utoipa::path(post, path = "/api/v1/me/calendar", tag = "mentorship",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "With its address, this once", body = FeedView)))]
pub async fn make(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Created().json(career.make_feed(&who.0).await?))
}

/// End one's calendar.
#[utoipa::path(delete, path = "/api/v1/me/calendar", tag = "mentorship",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Its address leads nowhere now")))]
pub async fn revoke(career: web::Data<Career>, who: SignedIn) -> Result<HttpResponse, Problem> {
    career.revoke_feed(&who.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /calendar/{secret}`: for calendar programs, which have no session.
pub async fn subscribed(career: web::Data<Career>, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    Ok(file(career.subscribed(&path).await?))
}
