//! Bookings.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::career::{
        BookForm, BookingId, BookingState, BookingView, Career, MentorReviewView, NoteForm, NoteId, NoteView,
        RatingForm, StepForm, WhoseBookings,
    },
    http::{Idempotent, Json, OptionalJson, Page, PageQuery, Problem, Query, SignedIn},
};

/// Which bookings.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum As {
    /// Where one is the mentor, and where one booked.
    #[default]
    Both,
    /// Where one is the mentor.
    Mentor,
    /// Where one booked.
    Seeker,
    /// Those that an operator is to decide.
    Contested,
}

/// The parameters of the list of bookings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BookingsQuery {
    /// What one is to them.
    #[serde(default, rename = "as")]
    #[param(inline)]
    pub as_: As,
    /// In this state.
    #[param(inline)]
    pub state: Option<BookingState>,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// Book a session: the time is held for ten minutes, or asked for at once with `request`. 409 when it is
/// taken.
#[utoipa::path(post, path = "/api/v1/bookings", tag = "mentorship", request_body = BookForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Held, or requested", body = BookingView)))]
pub async fn book(
    career: web::Data<Career>,
    who: SignedIn,
    key: Idempotent,
    form: Json<BookForm>,
) -> Result<HttpResponse, Problem> {
    let booking = career.book_as(&who.0, BookingId(key.resource_id()), &form.0).await?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/bookings/{}", booking.id)))
        .json(booking))
}

/// One's own bookings, the newest first.
#[utoipa::path(get, path = "/api/v1/bookings", tag = "mentorship", params(BookingsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of bookings", body = Page<BookingView>)))]
pub async fn list(
    career: web::Data<Career>,
    who: SignedIn,
    query: Query<BookingsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let asked = query.0;
    let limit = PageQuery { limit: asked.limit, cursor: None }.limit()?;
    let whose = match asked.as_ {
        As::Both => WhoseBookings::Both,
        As::Mentor => WhoseBookings::Mentor,
        As::Seeker => WhoseBookings::Seeker,
        As::Contested => WhoseBookings::Contested,
    };
    let cursor = asked.cursor.as_deref();
    let (items, next_cursor) = career.bookings(&who.0, whose, asked.state, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A booking, for its two sides.
#[utoipa::path(get, path = "/api/v1/bookings/{id}", tag = "mentorship",
    params(("id" = BookingId, Path, description = "The booking")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The booking", body = BookingView)))]
pub async fn get(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(career.booking(&who.0, id(&path, "booking")?).await?))
}

/// Take a step: `request` or `pay`, `accept`, `contest` (who booked), `confirm`, `decline`, `complete`,
/// `no_show` (the mentor), `reschedule`, `cancel` (either), `uphold`, `dismiss` (operators).
///
/// `pay` prepares a payment: only the provider's webhook makes the booking `requested`. `reschedule` takes
/// `start`; the other side has to agree. Who booked gets the money back for a confirmed session that is
/// cancelled before `free_until`, and whenever it is the mentor who cancels. A step that is not possible
/// now is a 409 with `allowed_transitions`.
#[utoipa::path(post, path = "/api/v1/bookings/{id}/{transition}", tag = "mentorship",
    request_body = Option<StepForm>,
    params(
        ("id" = BookingId, Path, description = "The booking"),
        ("transition" = String, Path, description = "The step"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The booking as it is now", body = BookingView)))]
pub async fn transition(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: OptionalJson<StepForm>,
) -> Result<HttpResponse, Problem> {
    let (booking, step) = path.into_inner();
    Ok(HttpResponse::Ok().json(career.move_booking(&who.0, id(&booking, "booking")?, &step, &form.0).await?))
}

/// A session as an iCalendar file (RFC 5545), once it was confirmed.
#[utoipa::path(get, path = "/api/v1/bookings/{id}/calendar", tag = "mentorship",
    params(("id" = BookingId, Path, description = "The booking")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The file", body = String, content_type = "text/calendar")))]
pub async fn calendar(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let file = career.booking_calendar(&who.0, id(&path, "booking")?).await?;
    Ok(super::calendar::file(file))
}

/// A session's notes: one's own, and those that the other side shares.
#[utoipa::path(get, path = "/api/v1/bookings/{id}/notes", tag = "mentorship",
    params(("id" = BookingId, Path, description = "The booking")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They, oldest first", body = Page<NoteView>)))]
pub async fn notes(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let items = career.notes(&who.0, id(&path, "booking")?).await?;
    Ok(HttpResponse::Ok().json(Page { items, next_cursor: None }))
}

/// Write a note of a session.
#[utoipa::path(post, path = "/api/v1/bookings/{id}/notes", tag = "mentorship", request_body = NoteForm,
    params(
        ("id" = BookingId, Path, description = "The booking"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Written", body = NoteView)))]
pub async fn write_note(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    key: Idempotent,
    form: Json<NoteForm>,
) -> Result<HttpResponse, Problem> {
    let booking = id(&path, "booking")?;
    let note = career.write_note(&who.0, booking, NoteId(key.resource_id()), &form.0).await?;
    Ok(HttpResponse::Created().json(note))
}

/// Review the mentor of a session that took place; once.
#[utoipa::path(post, path = "/api/v1/bookings/{id}/review", tag = "mentorship", request_body = RatingForm,
    params(
        ("id" = BookingId, Path, description = "The booking"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Written", body = MentorReviewView)))]
pub async fn review(
    career: web::Data<Career>,
    who: SignedIn,
    path: web::Path<String>,
    _key: Idempotent,
    form: Json<RatingForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Created().json(career.review_mentor(&who.0, id(&path, "booking")?, &form.0).await?))
}
