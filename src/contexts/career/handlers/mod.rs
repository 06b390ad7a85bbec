//! Careers over HTTP: extract, call one use case, encode.

pub mod bookings;
pub mod calendar;
pub mod mentors;
pub mod mentorships;
pub mod waitlist;

use std::str::FromStr;

use utoipa::OpenApi;

use super::CareerError;

#[derive(OpenApi)]
#[openapi(
    paths(
        mentors::apply,
        mentors::list,
        mentors::get,
        mentors::transition,
        mentors::slots,
        mentors::reviews,
        mentors::own,
        mentors::change,
        mentors::availability,
        waitlist::wait,
        waitlist::mine,
        waitlist::leave,
        bookings::book,
        bookings::list,
        bookings::get,
        bookings::transition,
        bookings::calendar,
        bookings::notes,
        bookings::write_note,
        bookings::review,
        mentorships::list,
        mentorships::get,
        mentorships::items,
        mentorships::add_item,
        mentorships::change_item,
        mentorships::drop_item,
        calendar::get,
        calendar::make,
        calendar::revoke,
    ),
    tags(
        (name = "mentorship", description = "Mentors, their slots, bookings, mentorships, calendars"),
    )
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// An id out of a path: what is no id names nothing.
fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, CareerError> {
    text.parse().map_err(|_| CareerError::No(what))
}
