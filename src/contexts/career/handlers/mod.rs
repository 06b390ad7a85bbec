//! Careers over HTTP: extract, call one use case, encode.

pub mod artifacts;
pub mod bookings;
pub mod calendar;
pub mod mentors;
pub mod mentorships;
pub mod page;
pub mod portfolio;
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
        mentors::matches,
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
        portfolio::get,
        portfolio::put,
        portfolio::resume,
        portfolio::import,
        portfolio::of_person,
        portfolio::endorse,
        portfolio::unendorse,
        portfolio::add_project,
        portfolio::order,
        portfolio::change_project,
        portfolio::drop_project,
        artifacts::add,
        artifacts::order,
        artifacts::remove,
        artifacts::get,
        artifacts::thumbnail,
        page::resume,
        portfolio::show,
        portfolio::follows,
        portfolio::feed,
        portfolio::follow_person,
        portfolio::unfollow_person,
        portfolio::follow_skill,
        portfolio::unfollow_skill,
    ),
    tags(
        (name = "portfolio", description = "Profiles, projects, evidence, follows"),
        (name = "mentorship", description = "Mentors, their slots, bookings, mentorships, calendars"),
    )
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// A name out of a path: one that no store could hold names nothing.
fn plain<'a>(text: &'a str, what: &'static str) -> Result<&'a str, CareerError> {
    if text.len() > 200 || text.contains('\0') { Err(CareerError::No(what)) } else { Ok(text) }
}

/// An id out of a path: what is no id names nothing.
fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, CareerError> {
    text.parse().map_err(|_| CareerError::No(what))
}
