//! Browsers that want to be told while no page is open (Web Push).

use actix_web::{HttpResponse, http::header, web};

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError, PushKeyView, SubscribeForm, SubscriptionView, SubscriptionsView,
    },
    http::{Idempotent, Json, Problem, SignedIn},
};

/// The key that a browser subscribes with: `applicationServerKey` of `PushManager.subscribe`.
#[utoipa::path(get, path = "/api/v1/notifications/push", tag = "notifications",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The key", body = PushKeyView)))]
pub async fn key(notifications: web::Data<Notifications>, _who: SignedIn) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(notifications.push_key()?))
}

/// Have notifications pushed to this browser: the form is what `PushSubscription.toJSON()` gives, with a
/// label. A known endpoint is taken over, with 200.
#[utoipa::path(post, path = "/api/v1/notifications/push/subscriptions", tag = "notifications",
    request_body = SubscribeForm,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 201, description = "Subscribed", body = SubscriptionView),
        (status = 200, description = "Subscribed before", body = SubscriptionView)))]
pub async fn subscribe(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    key: Idempotent,
    form: Json<SubscribeForm>,
) -> Result<HttpResponse, Problem> {
    let kept = notifications.subscribe_push(who.0.user_id, key.resource_id(), &form.0).await?;
    let mut answer = if kept.1 { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(kept.0))
}

/// One's own browsers, the latest first.
#[utoipa::path(get, path = "/api/v1/notifications/push/subscriptions", tag = "notifications",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "All of them", body = SubscriptionsView)))]
pub async fn list(notifications: web::Data<Notifications>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let items = notifications.push_subscriptions(who.0.user_id).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .json(SubscriptionsView { items }))
}

/// Push no more to one of one's browsers.
#[utoipa::path(delete, path = "/api/v1/notifications/push/subscriptions/{id}", tag = "notifications",
    params(("id" = uuid::Uuid, Path, description = "The subscription")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Forgotten")))]
pub async fn unsubscribe(
    notifications: web::Data<Notifications>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id = path.parse().map_err(|_| NotificationsError::NoSubscription)?;
    notifications.unsubscribe_push(who.0.user_id, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
