//! Notifications over HTTP: extract, authorise, call one use case, encode.

pub mod ops;
pub mod own;
pub mod preferences;
pub mod push;
pub mod unsubscribe;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(
        own::list, own::unread, own::read, preferences::get, preferences::replace, preferences::change,
        preferences::kinds, push::key, push::subscribe, push::list, push::unsubscribe, ops::mail,
    ),
    tags((name = "notifications", description = "What one is told, and how one wants it"))
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}
