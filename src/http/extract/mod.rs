//! Handler parameters. A handler that names one of these cannot forget the check behind it.

mod auth;
mod client;
mod conditional;
mod json;
mod page;
mod query;

pub(crate) use auth::check_origin;
pub use auth::{COOKIE, Credential, OperatorOnly, SessionLookup, SignedIn, session_credential};
pub use client::ClientAddr;
pub use conditional::{IfMatch, etag, not_modified};
pub use json::{Json, OptionalJson};
pub(crate) use page::link_next;
pub use page::{Page, PageQuery};
pub use query::Query;
