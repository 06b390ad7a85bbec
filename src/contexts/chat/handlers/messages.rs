//! Messages.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::chat::{
        AttachmentView, Chat, ChatError, MessageId, MessageView, PinsView, ReceiptsView, RoomId, SearchForm,
        SendForm, SentView, Seq,
    },
    http::{Json, Page, PageQuery, Problem, Query, SignedIn},
};

/// The parameters of a room's history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
    /// Messages after this `seq`, oldest first; without it the newest first. Not with `cursor`.
    pub after: Option<Seq>,
}

/// Send a message (rpc `chat.send`).
///
/// Answered once the message is durable. Sending the same `client_msg_id` again is harmless: one
/// message, the same answer, with 200 and `duplicate`.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/messages", tag = "chat", request_body = SendForm,
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 201, description = "Taken", body = SentView),
        (status = 200, description = "Taken before", body = SentView),
    ))]
pub async fn send(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<SendForm>,
) -> Result<HttpResponse, Problem> {
    let sent = chat.send(who.0.user_id, id(&path, ChatError::NoRoom)?, &form.0).await?;
    Ok(if sent.duplicate { HttpResponse::Ok() } else { HttpResponse::Created() }.json(sent))
}

/// A room's messages, the newest first (rpc `chat.history`).
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/messages", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), MessagesQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of messages", body = Page<MessageView>)))]
pub async fn list(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<MessagesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let MessagesQuery { limit, cursor, after } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let room = id(&path, ChatError::NoRoom)?;
    let (items, next_cursor) = chat.messages(who.0.user_id, room, limit, cursor.as_deref(), after).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// The parameters of a search.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchQuery {
    /// Words, all of which have to be there: 1 to 200 characters.
    #[param(min_length = 1, max_length = 200)]
    pub q: String,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// Search a room's history (rpc `chat.search`): messages that hold every word, the newest first.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/search", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), SearchQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of messages", body = Page<MessageView>)))]
pub async fn search(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<SearchQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let SearchQuery { q, limit, cursor } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let room = id(&path, ChatError::NoRoom)?;
    let form = SearchForm { room, q, limit: Some(limit), before: None };
    let (items, next_cursor) = chat.search_page(who.0.user_id, form, cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A room's pinned messages, the last pinned first (rpc `chat.pins`).
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/pins", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The pinned messages", body = PinsView)))]
pub async fn pins(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let items = chat.pins(who.0.user_id, id(&path, ChatError::NoRoom)?).await?;
    Ok(HttpResponse::Ok().json(PinsView { items }))
}

/// How far the members of a small room have come (rpc `chat.receipts`); empty in a larger one.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/receipts", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Those who show it", body = ReceiptsView)))]
pub async fn receipts(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let items = chat.receipts(who.0.user_id, id(&path, ChatError::NoRoom)?).await?;
    Ok(HttpResponse::Ok().json(ReceiptsView { items }))
}

/// A link to a file that goes with a message; it expires, and takes `Range`.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/attachments/{object_id}", tag = "chat",
    params(
        ("id" = RoomId, Path, description = "The room"),
        ("message_id" = MessageId, Path, description = "The message"),
        ("object_id" = uuid::Uuid, Path, description = "The file"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The link", body = AttachmentView)))]
pub async fn attachment(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, message, object) = path.into_inner();
    let (room, message) = (id(&room, ChatError::NoRoom)?, id(&message, ChatError::NoMessage)?);
    let object = id(&object, ChatError::NoMessage)?;
    let link = chat.attachment(who.0.user_id, room, message, object).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(link))
}
