//! Chat over HTTP: extract, call one use case, encode.

pub mod members;
pub mod messages;
pub mod rooms;

use std::str::FromStr;

use utoipa::OpenApi;

use super::ChatError;

#[derive(OpenApi)]
#[openapi(paths(
    rooms::create,
    rooms::list,
    rooms::get,
    rooms::patch,
    rooms::archive,
    rooms::unarchive,
    rooms::presence,
    rooms::typing,
    rooms::read,
    members::list,
    members::add,
    members::remove,
    members::set_role,
    members::join,
    messages::send,
    messages::list,
))]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// An id out of a path: what is no id names nothing.
fn id<T: FromStr>(text: &str, otherwise: ChatError) -> Result<T, ChatError> {
    text.parse().map_err(|_| otherwise)
}
