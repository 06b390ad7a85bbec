//! What a person sets for themselves.

use actix_web::{HttpResponse, web};

use super::id;
use crate::{
    contexts::chat::{
        BlockedItems, Chat, ChatError, OwnForm, OwnView, PrivacyForm, PrivacyView, RoomId, StatusForm,
    },
    http::{Json, Problem, SignedIn},
    principal::UserId,
};

/// What one has set for a room, one's draft in it among them.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/me", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "One's settings", body = OwnView)))]
pub async fn get(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(chat.own(who.0.user_id, id(&path, ChatError::NoRoom)?).await?))
}

/// Set something for a room; what is left out stays. One's other devices are told on `user:<id>`.
#[utoipa::path(patch, path = "/api/v1/chat/rooms/{id}/me", tag = "chat", request_body = OwnForm,
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "One's settings as they are now", body = OwnView)))]
pub async fn patch(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<OwnForm>,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    Ok(HttpResponse::Ok().json(chat.set_own(who.0.user_id, room, &form.0).await?))
}

/// What one lets others see.
#[utoipa::path(get, path = "/api/v1/chat/privacy", tag = "chat",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "One's settings", body = PrivacyView)))]
pub async fn privacy(chat: web::Data<Chat>, who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(chat.privacy(who.0.user_id).await?))
}

/// Set what one lets others see.
#[utoipa::path(put, path = "/api/v1/chat/privacy", tag = "chat", request_body = PrivacyForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "One's settings as they are now", body = PrivacyView)))]
pub async fn set_privacy(
    chat: web::Data<Chat>,
    who: SignedIn,
    form: Json<PrivacyForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(chat.set_privacy(who.0.user_id, &form.0).await?))
}

/// Whom one has blocked.
#[utoipa::path(get, path = "/api/v1/chat/blocks", tag = "chat",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The people", body = BlockedItems)))]
pub async fn blocks(chat: web::Data<Chat>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let items = chat.blocked(who.0.user_id).await?;
    Ok(HttpResponse::Ok().json(BlockedItems { items }))
}

/// Block somebody: one does not see their messages, and neither can send the other direct ones.
#[utoipa::path(put, path = "/api/v1/chat/blocks/{user_id}", tag = "chat",
    params(("user_id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Done")))]
pub async fn block(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let whom: UserId = id(&path, ChatError::NoSuchMember)?;
    chat.set_block(who.0.user_id, whom, true).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Block somebody no longer.
#[utoipa::path(delete, path = "/api/v1/chat/blocks/{user_id}", tag = "chat",
    params(("user_id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Done")))]
pub async fn unblock(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let whom: UserId = id(&path, ChatError::NoSuchMember)?;
    chat.set_block(who.0.user_id, whom, false).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Say what this session is: there, away, or not to be disturbed (rpc `presence.set`).
#[utoipa::path(put, path = "/api/v1/chat/status", tag = "chat", request_body = StatusForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Noted")))]
pub async fn status(
    chat: web::Data<Chat>,
    who: SignedIn,
    form: Json<StatusForm>,
) -> Result<HttpResponse, Problem> {
    chat.set_status(&who.0, form.0.status).await?;
    Ok(HttpResponse::NoContent().finish())
}
