//! Rooms, and what happens in them without a message.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::chat::{
        Chat, ChatError, CreateRoomForm, PatchRoomForm, PresenceView, ReadForm, ReadView, RoomId, RoomItem,
        RoomView,
    },
    http::{IfMatch, Json, Page, PageQuery, Problem, Query, SignedIn, etag, extract::not_modified},
};

/// Which rooms.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those the caller is in.
    #[default]
    Mine,
    /// Public ones that anybody may join.
    Public,
}

/// The parameters of the list of rooms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RoomsQuery {
    /// The caller's own rooms (by default), or all public ones.
    #[serde(default)]
    #[param(inline)]
    pub scope: Scope,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

fn shown(room: &RoomView) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::ETAG, etag(room.version))).json(room)
}

/// Make a room.
///
/// Those named are members at once. Two people have one direct room: asking for it again answers the
/// one they have, with 200.
#[utoipa::path(post, path = "/api/v1/chat/rooms", tag = "chat", request_body = CreateRoomForm,
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 201, description = "Made", body = RoomView),
        (status = 200, description = "The direct room that the two have already", body = RoomView),
    ))]
pub async fn create(
    chat: web::Data<Chat>,
    who: SignedIn,
    form: Json<CreateRoomForm>,
) -> Result<HttpResponse, Problem> {
    let (room, made) = chat.create_room(who.0.user_id, &form.0).await?;
    let mut answer = if made { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer
        .insert_header((header::LOCATION, format!("/api/v1/chat/rooms/{}", room.id)))
        .insert_header((header::ETAG, etag(room.version)))
        .json(room))
}

/// One's rooms with their last message and what is unread, or the public ones. The newest room
/// first.
#[utoipa::path(get, path = "/api/v1/chat/rooms", tag = "chat", params(RoomsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of rooms", body = Page<RoomItem>)))]
pub async fn list(
    chat: web::Data<Chat>,
    who: SignedIn,
    query: Query<RoomsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let RoomsQuery { scope, limit, cursor } = query.0;
    let (limit, cursor) = (PageQuery { limit, cursor: None }.limit()?, cursor.as_deref());
    let (items, next_cursor) = match scope {
        Scope::Mine => chat.my_rooms(who.0.user_id, limit, cursor).await?,
        Scope::Public => chat.public_rooms(who.0.user_id, limit, cursor).await?,
    };
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A room.
///
/// A member sees up to 100 members; a stranger sees a public room without them.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The room", body = RoomView),
        (status = 304, description = "Unchanged since the version in `If-None-Match`"),
    ))]
pub async fn get(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let room = chat.room(who.0.user_id, id(&path, ChatError::NoRoom)?).await?;
    if not_modified(&req, room.version) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, etag(room.version))).finish());
    }
    Ok(shown(&room))
}

/// Rename a room or change its topic. Takes the role `admin` in it.
#[utoipa::path(patch, path = "/api/v1/chat/rooms/{id}", tag = "chat", request_body = PatchRoomForm,
    params(
        ("id" = RoomId, Path, description = "The room"),
        ("If-Match" = String, Header, description = "The ETag that was last read"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The room as it is now", body = RoomView),
        (status = 412, description = "Changed in the meantime", content_type = "application/problem+json"),
        (status = 428, description = "If-Match is required", content_type = "application/problem+json"),
    ))]
pub async fn patch(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    seen: IfMatch,
    form: Json<PatchRoomForm>,
) -> Result<HttpResponse, Problem> {
    let (who, room) = (who.0.user_id, id(&path, ChatError::NoRoom)?);
    let version = match seen.version() {
        Some(version) => version,
        None => {
            let version = chat.room_version(who, room).await?;
            seen.check(version)?;
            version
        }
    };
    Ok(shown(&chat.patch_room(who, room, &form.0, Some(version)).await?))
}

/// Archive a room: it stays readable and takes nothing new. Takes the role `owner` in it.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/archive", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The room as it is now", body = RoomView)))]
pub async fn archive(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    Ok(shown(&chat.archive_room(who.0.user_id, room, true).await?))
}

/// Bring an archived room back. Takes the role `owner` in it.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/unarchive", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The room as it is now", body = RoomView)))]
pub async fn unarchive(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    Ok(shown(&chat.archive_room(who.0.user_id, room, false).await?))
}

/// Who is in a room right now: the people whose connections are subscribed to it.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/presence", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Who is there", body = PresenceView)))]
pub async fn presence(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let presence = chat.presence(who.0.user_id, id(&path, ChatError::NoRoom)?).await?;
    Ok(HttpResponse::Ok().json(presence))
}

/// Show the others that one is typing (rpc `typing.start`).
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/typing", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Shown")))]
pub async fn typing(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    chat.typing(who.0.user_id, id(&path, ChatError::NoRoom)?).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Say how far one has read (rpc `chat.read`). The position never goes back.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/read", tag = "chat", request_body = ReadForm,
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "What is left to read", body = ReadView)))]
pub async fn read(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<ReadForm>,
) -> Result<HttpResponse, Problem> {
    let left = chat.read(who.0.user_id, id(&path, ChatError::NoRoom)?, &form.0).await?;
    Ok(HttpResponse::Ok().json(left))
}
