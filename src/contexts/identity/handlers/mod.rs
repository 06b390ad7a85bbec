//! Identity over HTTP: extract, authorise, call one use case, encode.

pub mod account;
mod cookie;
mod lookup;
pub mod me;
pub mod password;
pub mod people;
pub mod realtime;
pub mod sessions;

use std::str::FromStr;

use utoipa::OpenApi;

use super::IdentityError;

#[derive(OpenApi)]
#[openapi(paths(
    account::register,
    account::verify_email,
    account::resend_verification,
    sessions::sign_in,
    sessions::list,
    sessions::sign_out,
    sessions::end_others,
    sessions::end,
    password::change,
    password::request_reset,
    password::reset,
    me::get,
    me::patch,
    me::request_deletion,
    me::cancel_deletion,
    people::find,
    people::get,
    realtime::token,
))]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// An id out of a path: what is no id names nothing.
fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, IdentityError> {
    text.parse().map_err(|_| IdentityError::NotFound(what))
}
