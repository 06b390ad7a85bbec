//! Discovery over HTTP: extract, call one use case, encode.

pub mod recommendations;
pub mod search;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(
        search::search,
        search::gigs,
        search::courses,
        search::people,
        search::mentors,
        search::suggest,
        recommendations::gigs,
        recommendations::students,
        recommendations::courses,
        recommendations::mentors,
        recommendations::feedback,
    ),
    tags((name = "discovery", description = "Search and recommendations")),
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// The values of a list with commas.
fn split(text: Option<&String>) -> Vec<String> {
    let parts = text.into_iter().flat_map(|text| text.split(','));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// A limit within its bounds.
fn limit(asked: Option<u32>, most: u32, usual: u32) -> Result<usize, crate::http::Problem> {
    match asked.unwrap_or(usual) {
        n if (1..=most).contains(&n) => Ok(n as usize),
        _ => Err(super::DiscoveryError::field("?limit", &format!("must be from 1 to {most}")).into()),
    }
}
