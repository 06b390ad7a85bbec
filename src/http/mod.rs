//! HTTP: every path is in [`router`]; a path's handler names its context.

pub mod extract; // what a handler's parameters are: Json, Query, SignedIn, OperatorOnly, IfMatch, Page
pub mod limits; // rate limits and their headers
pub mod middleware; // correlation, access log, security headers, origin check
pub mod origins; // which web origins may call
pub mod problem; // RFC 9457

pub use extract::{ClientAddr, IfMatch, Json, OperatorOnly, Page, PageQuery, Query, SignedIn, etag};
pub use problem::Problem;
