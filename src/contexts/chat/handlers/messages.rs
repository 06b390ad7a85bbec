//! Messages.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::chat::{Chat, ChatError, MessageView, RoomId, SendForm, SentView, Seq},
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
