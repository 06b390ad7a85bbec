//! Registering and verifying an address.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contexts::identity::{Identity, LinkForm, RegisterForm, UserView},
    http::{Json, Problem, SignedIn, limits::Attempts},
};

/// An account, in short.
#[derive(Serialize, ToSchema)]
pub struct UserAnswer {
    /// The account.
    pub user: UserView,
}

/// Make an account.
///
/// A mail with a link to verify the address is sent. Until it is followed, the person may sign in and
/// chat, but not post a gig, pay or be paid.
#[utoipa::path(post, path = "/api/v1/auth/register", tag = "auth", request_body = RegisterForm,
    responses((status = 201, description = "The account", body = UserAnswer),
        (status = 409, description = "The address has an account", body = crate::http::problem::ProblemBody,
            content_type = "application/problem+json")))]
pub async fn register(
    identity: web::Data<Identity>,
    attempts: Attempts,
    form: Json<RegisterForm>,
) -> Result<HttpResponse, Problem> {
    attempts.admit(&form.0.email).await?;
    let account = identity.register(&form.0).await?;
    Ok(HttpResponse::Created().json(UserAnswer { user: UserView::from(&account) }))
}

/// Verify an address by the link that was mailed to it. A link works once.
#[utoipa::path(post, path = "/api/v1/auth/email/verify", tag = "auth", request_body = LinkForm,
    responses((status = 200, description = "The address is verified", body = UserAnswer),
        (status = 410, description = "The link was used or has expired",
            body = crate::http::problem::ProblemBody, content_type = "application/problem+json")))]
pub async fn verify_email(
    identity: web::Data<Identity>,
    form: Json<LinkForm>,
) -> Result<HttpResponse, Problem> {
    let account = identity.verify_email(&form.0).await?;
    Ok(HttpResponse::Ok().json(UserAnswer { user: UserView::from(&account) }))
}

/// Mail another link to verify one's own address; nothing is sent if it is verified.
#[utoipa::path(post, path = "/api/v1/auth/email/resend", tag = "auth",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 202, description = "A mail is on its way, if one is needed")))]
pub async fn resend_verification(
    identity: web::Data<Identity>,
    who: SignedIn,
) -> Result<HttpResponse, Problem> {
    identity.resend_verification(&who.0).await?;
    Ok(HttpResponse::Accepted().finish())
}
