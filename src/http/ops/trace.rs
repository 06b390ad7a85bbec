//! What one request set off.

use actix_web::{HttpResponse, web};

use crate::{
    error::ErrorKind,
    events::{self, Trace},
    http::{OperatorOnly, Problem},
    postgres::Database,
    telemetry::correlation::CorrelationId,
};

/// The events behind a correlation id, in order: when each was recorded, published and received, and
/// what its consumers did, dead letters included. Empty when nothing is known (any more) of the id.
#[utoipa::path(get, path = "/api/v1/ops/trace/{correlation_id}", tag = "ops",
    params(("correlation_id" = String, Path, description = "`X-Correlation-Id` of the request it began with")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The chain", body = Trace)))]
pub async fn trace(
    database: web::Data<Database>,
    _operator: OperatorOnly,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let Some(id) = CorrelationId::parse(&path) else {
        return Err(Problem::new(ErrorKind::NotFound, "correlation ids are 8 to 64 of A-Z a-z 0-9 . _ -"));
    };
    Ok(HttpResponse::Ok().json(events::trace(&database, id.as_str()).await?))
}
