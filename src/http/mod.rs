//! HTTP: every path is in [`router`]; a path's handler names its context.

pub mod extract; // what a handler's parameters are: Json, Query, SignedIn, OperatorOnly, IfMatch, Page
pub mod health; // liveness, readiness, metrics
pub mod idempotency; // Idempotency-Key on POST
pub mod limits; // rate limits and their headers
pub mod middleware; // correlation, access log, security headers, origin check
pub mod openapi; // the API document
pub mod ops; // for operators
pub mod origins; // which web origins may call
pub mod pages; // what the binary serves to people
pub mod problem; // RFC 9457
pub mod router; // every path

pub(crate) use extract::link_next;
pub use extract::{
    ClientAddr, IfMatch, Json, OperatorOnly, OptionalJson, Page, PageQuery, Query, SignedIn, etag,
};
pub use idempotency::{IdempotencyKey, Idempotent};
pub use problem::Problem;

use actix_cors::Cors;
use actix_web::http::{Method, header};

/// Cross-origin calls (Fetch Standard §3.2) from the configured origins, with credentials.
pub fn cors(config: &crate::config::Config) -> Cors {
    let origins = origins::Origins::new(config);
    Cors::default()
        .allowed_origin_fn(move |origin, _| origin.to_str().is_ok_and(|origin| origins.allow(origin)))
        .allowed_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allowed_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::RANGE,
            header::HeaderName::from_static("idempotency-key"),
            middleware::CORRELATION,
        ])
        .expose_headers([
            header::ETAG,
            header::CONTENT_RANGE,
            header::LINK,
            header::LOCATION,
            header::RETRY_AFTER,
            header::HeaderName::from_static("ratelimit"),
            header::HeaderName::from_static("ratelimit-policy"),
            middleware::CORRELATION,
        ])
        .supports_credentials()
        .max_age(3600)
}
