//! Who is asking, as a parameter: a handler that takes [`SignedIn`] cannot be reached without it.

use std::{future::Future, pin::Pin, sync::Arc};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};
use futures_util::future::BoxFuture;

use crate::{
    error::ErrorKind,
    http::{Problem, limits::Limits, origins::Origins},
    principal::{Principal, Role},
};

/// The session cookie's name.
pub const COOKIE: &str = "gigsy_session";

/// What an account that is erased may still post to: a token to watch by.
const WATCHING: &str = "/api/v1/realtime/token";

/// Finds who a session token belongs to. `contexts::identity` implements it.
pub trait SessionLookup: Send + Sync {
    /// The principal behind a token, or a 401 problem (503 when the store is away).
    fn by_session_token<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Principal, Problem>>;
}

/// A signed-in person.
#[derive(Clone, Debug)]
pub struct SignedIn(pub Principal);

/// A signed-in person with the operator role; 403 for anyone else.
#[derive(Clone, Debug)]
pub struct OperatorOnly(pub Principal);

/// A session token and whether the browser attached it by itself.
pub struct Credential {
    /// The opaque token.
    pub token: String,
    /// From the cookie: then the request's origin must be checked.
    pub ambient: bool,
}

/// The session token of a request: `Authorization: Bearer` before the cookie.
pub fn session_credential(req: &HttpRequest) -> Option<Credential> {
    let bearer = req
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Credential { token: token.trim().to_owned(), ambient: false });
    bearer.or_else(|| {
        req.cookie(COOKIE).map(|cookie| Credential { token: cookie.value().to_owned(), ambient: true })
    })
}

async fn authenticate(req: HttpRequest) -> Result<Principal, Problem> {
    let Some(credential) = session_credential(&req) else {
        return Err(Problem::new(
            ErrorKind::Unauthenticated,
            "this needs a session: sign in and send its token",
        ));
    };
    // A cookie comes along with requests that another site makes; only our own pages may change
    // anything with it. (A bearer token is never attached by a browser.)
    if credential.ambient && !req.method().is_safe() {
        check_origin(&req)?;
    }
    let Some(sessions) = req.app_data::<web::Data<Arc<dyn SessionLookup>>>() else {
        return Err(Problem::new(ErrorKind::Internal, "no session store is wired"));
    };
    let who = sessions.by_session_token(&credential.token).await?;
    if who.is_leaving() && !req.method().is_safe() && req.path() != WATCHING {
        return Err(Problem::new(
            ErrorKind::Forbidden,
            "this account is erased: it can look on, and no more",
        ));
    }
    if let Some(limits) = req.app_data::<web::Data<Limits>>() {
        limits.admit_user(&req, who.user_id).await?;
    }
    Ok(who)
}

/// Refuses an unsafe request that a foreign page made a browser send.
pub(crate) fn check_origin(req: &HttpRequest) -> Result<(), Problem> {
    let header = |name| req.headers().get(name).and_then(|v: &header::HeaderValue| v.to_str().ok());
    let allowed = match header(header::ORIGIN) {
        Some(origin) => req.app_data::<web::Data<Origins>>().is_some_and(|on| on.allow(origin)),
        // No browser omits Origin on a cross-origin unsafe request; older ones still say how it
        // came about, and what is left is no browser.
        None => matches!(
            req.headers().get("sec-fetch-site").and_then(|v| v.to_str().ok()),
            None | Some("same-origin" | "none")
        ),
    };
    if allowed {
        return Ok(());
    }
    Err(Problem::new(ErrorKind::Forbidden, "this origin may not act with the session cookie"))
}

impl FromRequest for SignedIn {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move { authenticate(req).await.map(Self) })
    }
}

impl FromRequest for OperatorOnly {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let req = req.clone();
        Box::pin(async move {
            let principal = authenticate(req).await?;
            if principal.is(Role::Operator) {
                Ok(Self(principal))
            } else {
                Err(Problem::new(ErrorKind::Forbidden, "only an operator may see or do this"))
            }
        })
    }
}
