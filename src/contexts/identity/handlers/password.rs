//! Changing and resetting the password.

use actix_web::{HttpResponse, web};

use crate::{
    contexts::identity::{ChangePasswordForm, Identity, ResetForm, ResetRequestForm},
    http::{ClientAddr, Json, Problem, SignedIn, limits::Attempts},
};

/// Change one's password; every other session ends.
#[utoipa::path(post, path = "/api/v1/auth/password", tag = "auth", request_body = ChangePasswordForm,
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "The password is changed")))]
pub async fn change(
    identity: web::Data<Identity>,
    who: SignedIn,
    from: ClientAddr,
    form: Json<ChangePasswordForm>,
) -> Result<HttpResponse, Problem> {
    identity.change_password(&who.0, &form.0, from.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ask for a link that sets a new password. The answer is the same whether there is such an account.
#[utoipa::path(post, path = "/api/v1/auth/password/reset", tag = "auth", request_body = ResetRequestForm,
    responses((status = 202, description = "If there is such an account, a mail is on its way")))]
pub async fn request_reset(
    identity: web::Data<Identity>,
    attempts: Attempts,
    form: Json<ResetRequestForm>,
) -> Result<HttpResponse, Problem> {
    attempts.admit(&form.0.email).await?;
    identity.request_password_reset(&form.0).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Set a new password by a mailed link, which works once; every session ends.
#[utoipa::path(post, path = "/api/v1/auth/password/reset/confirm", tag = "auth", request_body = ResetForm,
    responses((status = 204, description = "The password is set; sign in with it"),
        (status = 410, description = "The link was used or has expired",
            body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
pub async fn reset(
    identity: web::Data<Identity>,
    from: ClientAddr,
    form: Json<ResetForm>,
) -> Result<HttpResponse, Problem> {
    identity.reset_password(&form.0, from.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
