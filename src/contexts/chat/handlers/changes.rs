//! One message: reading it, changing it, what hangs on it.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::chat::{
        Actor, ChangedView, Chat, ChatError, EditForm, MessageId, MessageView, RoomId, Seq, ThreadForm,
        ThreadView,
    },
    http::{
        IfMatch, Json, PageQuery, Problem, Query, SignedIn, etag, extract::not_modified, problem::ProblemBody,
    },
};

fn named(path: &(String, String)) -> Result<(RoomId, MessageId), ChatError> {
    Ok((id(&path.0, ChatError::NoRoom)?, id(&path.1, ChatError::NoMessage)?))
}

/// The parameters of a thread.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ThreadQuery {
    /// How many replies at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Replies after this place.
    pub after: Option<Seq>,
}

/// The parameters of a deletion.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// Why, where a moderator does it: up to 250 characters on one line, for the audit trail.
    #[serde(default)]
    #[param(max_length = 250)]
    pub reason: String,
}

/// One message.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/messages/{message_id}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The message", body = MessageView,
            headers(("ETag" = String, description = "For If-Match: it changes with everything that happens to the message"))),
        (status = 304, description = "Nothing has happened to it")))]
pub async fn get(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (room, message) = named(&path)?;
    let found = chat.message(who.0.user_id, room, message).await?;
    let mut answer = if not_modified(&req, version(found.changed_seq)) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((header::ETAG, etag(version(found.changed_seq))))
        .insert_header((header::CACHE_CONTROL, "private, no-cache"));
    if not_modified(&req, version(found.changed_seq)) {
        return Ok(answer.finish());
    }
    Ok(answer.json(found))
}

/// A message's version is the last event that is in it.
fn version(changed_seq: Seq) -> i64 {
    i64::try_from(changed_seq).unwrap_or(i64::MAX)
}

/// Give one's message another text (rpc `chat.edit`), within the time that the operator allows.
#[utoipa::path(patch, path = "/api/v1/chat/rooms/{id}/messages/{message_id}", tag = "chat", request_body = EditForm,
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message"),
        ("If-Match" = String, Header, description = "The ETag of the message that was read: its changed_seq as \"v<changed_seq>\"")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Where the change stands in the log", body = ChangedView,
            headers(("ETag" = String, description = "Of the message as it is now"))),
        (status = 412, description = "Something happened to the message in the meantime", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 428, description = "If-Match is missing", body = ProblemBody,
            content_type = "application/problem+json")))]
pub async fn edit(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    seen: IfMatch,
    form: Json<EditForm>,
) -> Result<HttpResponse, Problem> {
    let (room, message) = named(&path)?;
    let now = chat.message(who.0.user_id, room, message).await?.changed_seq;
    seen.check(version(now))?;
    let now = (!seen.is_any()).then_some(now);
    let changed = chat.edit(who.0.user_id, room, message, &form.0, now).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(version(changed.seq)))).json(changed))
}

/// Delete a message (rpc `chat.delete`): one's own, or as a moderator anybody's. Its place stays.
#[utoipa::path(delete, path = "/api/v1/chat/rooms/{id}/messages/{message_id}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message"), DeleteQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Where the change stands in the log", body = ChangedView)))]
pub async fn delete(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    query: Query<DeleteQuery>,
) -> Result<HttpResponse, Problem> {
    let (room, message) = named(&path)?;
    let who = Actor::from(&who.0);
    Ok(HttpResponse::Ok().json(chat.delete(who, room, message, &query.0.reason).await?))
}

/// React to a message (rpc `chat.react`).
#[utoipa::path(put, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/reactions/{emoji}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message"), ("emoji" = String, Path, description = "One emoji")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Where the change stands in the log", body = ChangedView)))]
pub async fn react(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, message, emoji) = path.into_inner();
    let (room, message) = named(&(room, message))?;
    Ok(HttpResponse::Ok().json(chat.react(who.0.user_id, room, message, &emoji, true).await?))
}

/// Take a reaction back (rpc `chat.react` with `remove`).
#[utoipa::path(delete, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/reactions/{emoji}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message"), ("emoji" = String, Path, description = "One emoji")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Where the change stands in the log", body = ChangedView)))]
pub async fn unreact(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, message, emoji) = path.into_inner();
    let (room, message) = named(&(room, message))?;
    Ok(HttpResponse::Ok().json(chat.react(who.0.user_id, room, message, &emoji, false).await?))
}

/// Pin a message (rpc `chat.pin`). Takes the role that the room's rules name.
#[utoipa::path(put, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/pin", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Where the change stands in the log", body = ChangedView)))]
pub async fn pin(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, message) = named(&path)?;
    Ok(HttpResponse::Ok().json(chat.pin(who.0.user_id, room, message, true).await?))
}

/// Unpin a message (rpc `chat.pin` with `remove`).
#[utoipa::path(delete, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/pin", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "Where the change stands in the log", body = ChangedView)))]
pub async fn unpin(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, message) = named(&path)?;
    Ok(HttpResponse::Ok().json(chat.pin(who.0.user_id, room, message, false).await?))
}

/// A thread (rpc `chat.thread`): its first message, and replies, oldest first.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/thread", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message"), ThreadQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The thread", body = ThreadView)))]
pub async fn thread(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    query: Query<ThreadQuery>,
) -> Result<HttpResponse, Problem> {
    let (room, message_id) = named(&path)?;
    let ThreadQuery { limit, after } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let form = ThreadForm { room, message_id, limit: Some(limit), after };
    Ok(HttpResponse::Ok().json(chat.thread(who.0.user_id, &form).await?))
}
