//! Connection tokens.

use actix_web::{HttpResponse, http::header, web};

use crate::{
    contexts::identity::{Identity, RealtimeToken},
    http::{Problem, SignedIn},
};

/// A short-lived token for `connect.token` and `refresh.token` of the real-time connection. It ends
/// with the session.
#[utoipa::path(post, path = "/api/v1/realtime/token", tag = "realtime",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The token", body = RealtimeToken)))]
pub async fn token(identity: web::Data<Identity>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let token = identity.realtime_token(&who.0);
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(token))
}
