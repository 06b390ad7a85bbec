//! Signing in and out, and the list of one's sessions.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use super::{cookie, id};
use crate::{
    contexts::identity::{Identity, SessionView, SignInForm, UserView},
    http::{ClientAddr, Json, Page, PageQuery, Problem, Query, SignedIn, limits::Attempts},
    principal::SessionId,
};

/// A session that was just opened.
#[derive(Serialize, ToSchema)]
pub struct SignInAnswer {
    /// For `Authorization: Bearer`; the cookie holds it too. It is told this once.
    #[schema(example = "gs_…")]
    pub token: String,
    /// When the session ends unless it is used before.
    pub expires_at: DateTime<Utc>,
    /// The session.
    pub session_id: SessionId,
    /// Whose it is.
    pub user: UserView,
}

/// Sign in.
///
/// Whether there is such an account is not told, neither in words nor by the time it takes. After
/// several wrong passwords the next attempt has to wait.
#[utoipa::path(post, path = "/api/v1/auth/sessions", tag = "auth", request_body = SignInForm,
    responses((status = 201, description = "Signed in; sets the cookie `gigsy_session`", body = SignInAnswer)))]
pub async fn sign_in(
    identity: web::Data<Identity>,
    attempts: Attempts,
    from: ClientAddr,
    form: Json<SignInForm>,
) -> Result<HttpResponse, Problem> {
    attempts.admit(&form.0.email).await?;
    let opened = identity.sign_in(&form.0, from.0).await?;
    let token = opened.token.reveal().to_owned();
    Ok(HttpResponse::Created()
        .insert_header((header::SET_COOKIE, cookie::keep(&token, identity.settings())))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(SignInAnswer {
            token,
            expires_at: opened.session.expires_at,
            session_id: opened.session.id,
            user: UserView::from(&opened.account),
        }))
}

/// One's own sessions, the newest first.
#[utoipa::path(get, path = "/api/v1/auth/sessions", tag = "auth", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The sessions", body = Page<SessionView>)))]
pub async fn list(
    identity: web::Data<Identity>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let (limit, cursor) = (query.0.limit()?, query.0.cursor.as_deref());
    let (items, next_cursor) = identity.session_page(&who.0, limit, cursor).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Sign out: end the session that asks.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/current", tag = "auth",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Signed out; removes the cookie")))]
pub async fn sign_out(identity: web::Data<Identity>, who: SignedIn) -> Result<HttpResponse, Problem> {
    identity.end_session(&who.0, who.0.session_id).await?;
    Ok(signed_out(&identity))
}

/// Sign out everywhere else.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/others", tag = "auth",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "Every other session has ended")))]
pub async fn end_others(identity: web::Data<Identity>, who: SignedIn) -> Result<HttpResponse, Problem> {
    identity.end_other_sessions(&who.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// End one of one's own sessions; its connections are closed.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", tag = "auth",
    params(("id" = SessionId, Path, description = "The session")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 204, description = "The session has ended")))]
pub async fn end(
    identity: web::Data<Identity>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let session: SessionId = id(&path, "session")?;
    identity.end_session(&who.0, session).await?;
    if session == who.0.session_id {
        return Ok(signed_out(&identity));
    }
    Ok(HttpResponse::NoContent().finish())
}

fn signed_out(identity: &Identity) -> HttpResponse {
    HttpResponse::NoContent().insert_header((header::SET_COOKIE, cookie::drop(identity.settings()))).finish()
}
