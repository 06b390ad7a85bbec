//! Contracts.

use actix_web::{HttpRequest, HttpResponse, web};

use super::id;
use crate::{
    contexts::gigs::{ContractId, ContractView, Gigs, MoneyView},
    http::{Page, PageQuery, Problem, Query, SignedIn},
};

/// One's contracts on either side, the newest first.
#[utoipa::path(get, path = "/api/v1/contracts", tag = "contracts", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of contracts", body = Page<ContractView>)))]
pub async fn list(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let (items, next_cursor) = gigs.contracts(&who.0, limit, query.0.cursor.as_deref()).await?;
    Ok(Page { items, next_cursor }.respond(&req))
}

/// A contract with its milestones, for its two sides and operators.
#[utoipa::path(get, path = "/api/v1/contracts/{id}", tag = "contracts",
    params(("id" = ContractId, Path, description = "The contract")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The contract", body = ContractView)))]
pub async fn get(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gigs.contract(&who.0, id(&path, "contract")?).await?))
}

/// Take a step: `cancel` before anything was paid, `end` while no money is held.
#[utoipa::path(post, path = "/api/v1/contracts/{id}/{transition}", tag = "contracts",
    params(
        ("id" = ContractId, Path, description = "The contract"),
        ("transition" = String, Path, description = "`cancel` or `end`"),
    ),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The contract as it is now", body = ContractView)))]
pub async fn transition(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (contract, step) = path.into_inner();
    Ok(HttpResponse::Ok().json(gigs.move_contract(&who.0, id(&contract, "contract")?, &step).await?))
}

/// A contract's money: where it is, the ledger's lines, and what happened.
#[utoipa::path(get, path = "/api/v1/contracts/{id}/ledger", tag = "contracts",
    params(("id" = ContractId, Path, description = "The contract")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The money timeline", body = MoneyView)))]
pub async fn ledger(
    gigs: web::Data<Gigs>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(gigs.contract_money(&who.0, id(&path, "contract")?).await?))
}
