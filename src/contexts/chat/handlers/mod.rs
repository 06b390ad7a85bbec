//! Chat over HTTP: extract, call one use case, encode.

pub mod changes;
pub mod export;
pub mod members;
pub mod messages;
pub mod moderation;
pub mod own;
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
    messages::search,
    messages::pins,
    messages::receipts,
    messages::attachment,
    export::export,
    changes::get,
    changes::edit,
    changes::delete,
    changes::react,
    changes::unreact,
    changes::pin,
    changes::unpin,
    changes::thread,
    moderation::report,
    moderation::reports,
    moderation::room_reports,
    moderation::resolve,
    moderation::suspend,
    moderation::restore,
    moderation::ban,
    moderation::unban,
    moderation::bans,
    moderation::audit,
    moderation::room_audit,
    own::get,
    own::patch,
    own::privacy,
    own::set_privacy,
    own::blocks,
    own::block,
    own::unblock,
    own::status,
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
