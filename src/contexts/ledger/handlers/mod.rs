//! The ledger over HTTP: extract, authorise, call one use case, encode.

pub mod me;
pub mod ops;
pub mod webhooks;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    paths(me::balance, me::open_account, me::pay_out, me::payouts, me::payout, ops::reconciliation, webhooks::take),
    tags((name = "money", description = "Protected payment: balances and payouts"))
)]
struct Api;

/// This context's part of the API document.
pub fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}
