//! One's own notifications.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    contexts::notifications::{Notifications, NotificationsView, ReadForm, UnreadView, Which},
    http::{Json, PageQuery, Problem, Query, SignedIn, extract::link_next},
};

/// The parameters of the list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `true`: only those that are unread.
    #[serde(default)]
    pub unread: Option<bool>,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// One's own notifications, the newest first, with the number of unread ones.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", params(ListQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of notifications", body = NotificationsView)))]
pub async fn list(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    query: Query<ListQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let ListQuery { unread, limit, cursor } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let unread = unread.unwrap_or(false);
    let page = notifications.list(who.0.user_id, unread, limit, cursor.as_deref()).await?;
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "private, no-store"));
    if let Some(cursor) = &page.next_cursor {
        link_next(&mut response, &req, cursor);
    }
    Ok(response.json(page))
}

/// How many of one's notifications are unread.
#[utoipa::path(get, path = "/api/v1/notifications/unread", tag = "notifications",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The number", body = UnreadView)))]
pub async fn unread(notifications: web::Data<Notifications>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let unread = notifications.unread(who.0.user_id).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(unread))
}

/// Mark notifications as read: some, those up to an offset, or all. Doing it again changes nothing.
#[utoipa::path(post, path = "/api/v1/notifications/read", tag = "notifications", request_body = ReadForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "How many are left", body = UnreadView)))]
pub async fn read(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    form: Json<ReadForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(notifications.read(who.0.user_id, &Which::of(form.0)?).await?))
}
