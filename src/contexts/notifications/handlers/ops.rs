//! For operators.

use actix_web::{HttpResponse, web};

use crate::{
    contexts::notifications::Notifications,
    http::{OperatorOnly, Problem},
    ports::mail::MailReport,
};

/// How mail is getting on: what waits, what was given up and why.
#[utoipa::path(get, path = "/api/v1/ops/mail", tag = "ops", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The queue", body = MailReport)))]
pub async fn mail(
    notifications: web::Data<Notifications>,
    _who: OperatorOnly,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(notifications.mail().report().await?))
}
