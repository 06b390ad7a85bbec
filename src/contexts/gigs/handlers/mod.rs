//! The marketplace over HTTP: extract, call one use case, encode.

pub mod applications;
pub mod contracts;
pub mod disputes;
pub mod gigs;
pub mod invitations;
pub mod milestones;
pub mod reviews;
pub mod searches;

use std::str::FromStr;

use utoipa::OpenApi;

use super::GigsError;

#[derive(OpenApi)]
#[openapi(
    paths(
        gigs::skills,
        gigs::create,
        gigs::list,
        gigs::get,
        gigs::patch,
        gigs::transition,
        applications::apply,
        applications::of_gig,
        applications::mine,
        applications::get,
        applications::transition,
        invitations::invite,
        invitations::of_gig,
        invitations::mine,
        searches::save,
        searches::list,
        searches::get,
        searches::forget,
        contracts::list,
        contracts::get,
        contracts::transition,
        contracts::ledger,
        milestones::get,
        milestones::transition,
        disputes::list,
        disputes::resolve,
        reviews::write,
        reviews::of_contract,
        reviews::about,
    ),
    tags(
        (name = "gigs", description = "Gigs and applications"),
        (name = "contracts", description = "Contracts, milestones, protected payment, reviews"),
    )
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// An id out of a path: what is no id names nothing.
fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, GigsError> {
    text.parse().map_err(|_| GigsError::No(what))
}
