//! Identity over HTTP.
/// The API document.
pub fn api() -> utoipa::openapi::OpenApi { todo!() }
