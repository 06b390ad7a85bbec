//! Keeping rooms in order: reports, suspensions, bans, the audit trail.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::chat::{
        Actor, AuditView, BanView, Chat, ChatError, MemberView, MessageId, ReportForm, ReportView,
        ReportedView, ResolveForm, RoomId, SanctionForm,
    },
    http::{Json, Page, PageQuery, Problem, Query, SignedIn},
    principal::UserId,
};

/// The parameters of a list of reports.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReportsQuery {
    /// Those that are settled instead of those that are not.
    #[serde(default)]
    pub settled: bool,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// Put a message before the moderators, once. The report keeps what it says now.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/messages/{message_id}/reports", tag = "chat", request_body = ReportForm,
    params(("id" = RoomId, Path, description = "The room"), ("message_id" = MessageId, Path, description = "The message")),
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 201, description = "Filed", body = ReportedView),
        (status = 200, description = "Filed before", body = ReportedView),
    ))]
pub async fn report(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
    form: Json<ReportForm>,
) -> Result<HttpResponse, Problem> {
    let (room, message) = path.into_inner();
    let (room, message) = (id(&room, ChatError::NoRoom)?, id(&message, ChatError::NoMessage)?);
    let (report_id, new) = chat.report(who.0.user_id, room, message, &form.0).await?;
    let mut answer = if new { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(ReportedView { report_id }))
}

/// The review queue of all rooms, newest first. Takes the role `moderator` or `operator`.
#[utoipa::path(get, path = "/api/v1/chat/reports", tag = "chat",
    params(ReportsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page", body = Page<ReportView>)))]
pub async fn reports(
    chat: web::Data<Chat>,
    who: SignedIn,
    query: Query<ReportsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let ReportsQuery { settled, limit, cursor } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let who = Actor::from(&who.0);
    let (items, next_cursor) = chat.reports(who, None, settled, limit, cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A room's review queue, newest first, for its admins and for moderators.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/reports", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ReportsQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page", body = Page<ReportView>)))]
pub async fn room_reports(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<ReportsQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    let ReportsQuery { settled, limit, cursor } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let who = Actor::from(&who.0);
    let (items, next_cursor) = chat.reports(who, Some(room), settled, limit, cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Settle a report, and with it every open one about the same message.
#[utoipa::path(post, path = "/api/v1/chat/reports/{report_id}/resolve", tag = "chat", request_body = ResolveForm,
    params(("report_id" = uuid::Uuid, Path, description = "The report")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The report as it is now", body = ReportView)))]
pub async fn resolve(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<ResolveForm>,
) -> Result<HttpResponse, Problem> {
    let report = id(&path, ChatError::NoReport)?;
    Ok(HttpResponse::Ok().json(chat.resolve(Actor::from(&who.0), report, &form.0).await?))
}

/// Keep a member from writing for a while. For the room's admins and for moderators.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/suspensions", tag = "chat", request_body = SanctionForm,
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The member as they are now", body = MemberView)))]
pub async fn suspend(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<SanctionForm>,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    Ok(HttpResponse::Ok().json(chat.suspend(Actor::from(&who.0), room, &form.0).await?))
}

/// Let a suspended member write again.
#[utoipa::path(delete, path = "/api/v1/chat/rooms/{id}/suspensions/{user_id}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("user_id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The member as they are now", body = MemberView)))]
pub async fn restore(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, user): (String, String) = path.into_inner();
    let (room, user): (RoomId, UserId) = (id(&room, ChatError::NoRoom)?, id(&user, ChatError::NoSuchMember)?);
    Ok(HttpResponse::Ok().json(chat.restore(Actor::from(&who.0), room, user).await?))
}

/// Put somebody out and let nobody bring them back for a while, or for good.
#[utoipa::path(post, path = "/api/v1/chat/rooms/{id}/bans", tag = "chat", request_body = SanctionForm,
    params(("id" = RoomId, Path, description = "The room")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Banned")))]
pub async fn ban(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    form: Json<SanctionForm>,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    chat.ban(Actor::from(&who.0), room, &form.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Lift a ban.
#[utoipa::path(delete, path = "/api/v1/chat/rooms/{id}/bans/{user_id}", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), ("user_id" = UserId, Path, description = "The person")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Not banned")))]
pub async fn unban(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (room, user): (String, String) = path.into_inner();
    let (room, user): (RoomId, UserId) = (id(&room, ChatError::NoRoom)?, id(&user, ChatError::NoSuchMember)?);
    chat.unban(Actor::from(&who.0), room, user).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Who is banned from a room, in the order of their ids.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/bans", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page", body = Page<BanView>)))]
pub async fn bans(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (limit, cursor) = (query.0.limit()?, query.0.cursor.as_deref());
    let room = id(&path, ChatError::NoRoom)?;
    let (items, next_cursor) = chat.bans(Actor::from(&who.0), room, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Who moderated what in all rooms, newest first. Takes the role `moderator` or `operator`.
#[utoipa::path(get, path = "/api/v1/chat/audit", tag = "chat",
    params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page", body = Page<AuditView>)))]
pub async fn audit(
    chat: web::Data<Chat>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (limit, cursor) = (query.0.limit()?, query.0.cursor.as_deref());
    let who = Actor::from(&who.0);
    let (items, next_cursor) = chat.audit_trail(who, None, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Who moderated what in a room, newest first, for its admins and for moderators.
#[utoipa::path(get, path = "/api/v1/chat/rooms/{id}/audit", tag = "chat",
    params(("id" = RoomId, Path, description = "The room"), PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page", body = Page<AuditView>)))]
pub async fn room_audit(
    chat: web::Data<Chat>,
    who: SignedIn,
    path: web::Path<String>,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let room = id(&path, ChatError::NoRoom)?;
    let (limit, cursor) = (query.0.limit()?, query.0.cursor.as_deref());
    let who = Actor::from(&who.0);
    let (items, next_cursor) = chat.audit_trail(who, Some(room), limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}
