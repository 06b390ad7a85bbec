//! For operators.

use actix_web::{HttpResponse, web};

use crate::{
    contexts::ledger::{Ledger, Report},
    http::{OperatorOnly, Problem},
};

/// Whether the books agree with themselves, added up again from every entry.
#[utoipa::path(get, path = "/api/v1/ops/ledger/reconciliation", tag = "ops",
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The report", body = Report)))]
pub async fn reconciliation(ledger: web::Data<Ledger>, _who: OperatorOnly) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(ledger.reconciliation().await?))
}
