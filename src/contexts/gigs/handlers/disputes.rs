//! Disputes; for operators.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use utoipa::IntoParams;

use super::id;
use crate::{
    contexts::gigs::{DisputeId, DisputeState, DisputeView, Gigs, RulingForm},
    http::{Json, OperatorOnly, Page, PageQuery, Problem, Query},
};

/// The parameters of the list of disputes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct DisputesQuery {
    /// In this state; open ones by default.
    #[param(inline)]
    pub state: Option<DisputeState>,
    /// How many items at most, 1 to 100; 50 by default.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of the page before. Opaque and signed.
    pub cursor: Option<String>,
}

/// Disputes, the newest first. Takes the role `operator`.
#[utoipa::path(get, path = "/api/v1/disputes", tag = "contracts", params(DisputesQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of disputes", body = Page<DisputeView>)))]
pub async fn list(
    gigs: web::Data<Gigs>,
    _who: OperatorOnly,
    query: Query<DisputesQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let DisputesQuery { state, limit, cursor } = query.0;
    let limit = PageQuery { limit, cursor: None }.limit()?;
    let state = state.unwrap_or(DisputeState::Open);
    let (items, next_cursor) = gigs.disputes(state, limit, cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// Rule on a dispute: so much to the student, so much back to the client. Takes the role `operator`.
#[utoipa::path(post, path = "/api/v1/disputes/{id}/resolve", tag = "contracts", request_body = RulingForm,
    params(("id" = DisputeId, Path, description = "The dispute")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The dispute as it is now", body = DisputeView)))]
pub async fn resolve(
    gigs: web::Data<Gigs>,
    who: OperatorOnly,
    path: web::Path<String>,
    form: Json<RulingForm>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gigs.rule(&who.0, id(&path, "dispute")?, &form.0).await?))
}
