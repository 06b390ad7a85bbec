//! Who is in a room.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::id;
use crate::{
    contexts::chat::{AddMembersForm, Chat, ChatError, MemberView, RoleForm, RoomId, RoomView},
    http::{Json, Page, PageQuery, Problem, Query, SignedIn, etag},
    principal::UserId,
};

/// Members that were invited.
#[derive(Serialize, ToSchema)]
pub struct AddedAnswer {
    /// Those named, as they are in the room now.
    pub items: Vec<MemberView>,
}

/// A room's members, in the order of their ids.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/members", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of members", body = Page<MemberView>)))]
pub async fn list(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (limit, cursor) = (query.0.limit()?, query.0.cursor.as_deref());
    let room = id(&path, ChatError::NoRoom)?;
    let (items, next_cursor) = chat.members(who.0.user_id, room, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Invite people. They are members at once. Takes the role `admin` in the room.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/members", tag = "chat", request_body = AddMembersForm,
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "They are members", body = AddedAnswer)))]
pub async fn add(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<AddMembersForm>,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    let items = chat.add_members(who.0.user_id, room, form.0.user_ids).await?;
    Ok(HttpResponse::Ok().json(AddedAnswer { items }))
}

/// Put a member out (takes the role `admin`), or leave: `user_id` is one's own, or `me`.
#[utoipa::path(delete, path = "/api/v1/chat/rooms/{id}/members/{user_id}", tag = "chat",
    params(
        ("id" = RoomId, Path, description = "The room"),
        ("user_id" = UserId, Path, description = "The member"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "No member any more")))]
pub async fn remove(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, user) = path.into_inner();
    let user = match user.as_str() {
        "me" => who.0.user_id,
        user => id(user, ChatError::NoSuchMember)?,
    };
    chat.remove_member(who.0.user_id, id(&room, ChatError::NoRoom)?, user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Change a member's role. Takes the role `owner` in the room.
#[utoipa::path(patch, path = "/api/v1/chat/rooms/{id}/members/{user_id}", tag = "chat",
    request_body = RoleForm,
    params(
        ("id" = RoomId, Path, description = "The room"),
        ("user_id" = UserId, Path, description = "The member"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The member as they are now", body = MemberView)))]
pub async fn set_role(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: Json<RoleForm>,
) -> Result<HttpResponse, Problem> {
    let (room, user) = path.into_inner();
    let (room, user) = (id(&room, ChatError::NoRoom)?, id(&user, ChatError::NoSuchMember)?);
    let member = chat.set_role(who.0.user_id, room, user, form.0.role).await?;
    Ok(HttpResponse::Ok().json(member))
}

/// Join a public room.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/join", tag = "chat",
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "One is a member", body = RoomView)))]
pub async fn join(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let room = chat.join(who.0.user_id, id(&path, ChatError::NoRoom)?).await?;
    Ok(HttpResponse::Ok().insert_header((header::ETAG, etag(room.version))).json(room))
}
