//! One's own money.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    contexts::ledger::{Balance, Ledger, LedgerError, Payout, PayoutId, service::PayoutForm},
    error::ErrorKind,
    http::{Idempotent, Json, Page, PageQuery, Problem, Query, SignedIn},
};

/// What a person has.
#[derive(Serialize, utoipa::ToSchema)]
pub struct BalanceView {
    /// One entry a currency.
    pub balances: Vec<Balance>,
}

/// Where to open the account.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OnboardingView {
    /// The payment provider's page; works once.
    pub url: String,
}

/// One's own balance: what can be paid out, what is still protected, what is on its way.
#[utoipa::path(get, path = "/api/v1/me/balance", tag = "money", security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The balance", body = BalanceView)))]
pub async fn balance(ledger: web::Data<Ledger>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let balances = ledger.balance_of(who.0.user_id).await?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-store"))
        .json(BalanceView { balances }))
}

/// Open an account with the payment provider, to be paid through. Needs a verified address.
#[utoipa::path(post, path = "/api/v1/me/payout-account", tag = "money",
    security(("bearer" = []), ("cookie" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    responses((status = 200, description = "Where to go on", body = OnboardingView)))]
pub async fn open_account(ledger: web::Data<Ledger>, who: SignedIn) -> Result<HttpResponse, Problem> {
    let opened = ledger.onboard(&who.0).await?;
    Ok(HttpResponse::Ok().json(OnboardingView { url: opened.url }))
}

/// Pay out of one's balance.
#[utoipa::path(post, path = "/api/v1/me/payouts", tag = "money", request_body = PayoutForm,
    security(("bearer" = []), ("cookie" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repetition harmless")),
    responses((status = 202, description = "On its way", body = Payout,
        headers(("Location" = String, description = "Where its progress is told")))))]
pub async fn pay_out(
    ledger: web::Data<Ledger>,
    who: SignedIn,
    key: Idempotent,
    form: Json<PayoutForm>,
) -> Result<HttpResponse, Problem> {
    // The same in every attempt of the request, so that the ledger pays out once whatever crashed.
    let key = key.resource_id().to_string();
    let payout = ledger.request_payout(&who.0, &form.0, &key).await?;
    let place = format!("/api/v1/me/payouts/{}", payout.id);
    Ok(HttpResponse::Accepted().insert_header((header::LOCATION, place)).json(payout))
}

/// One's own payouts, newest first.
#[utoipa::path(get, path = "/api/v1/me/payouts", tag = "money", params(PageQuery),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "A page of payouts", body = Page<Payout>)))]
pub async fn payouts(
    ledger: web::Data<Ledger>,
    who: SignedIn,
    query: Query<PageQuery>,
    req: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let limit = query.0.limit()?;
    let user = who.0.user_id;
    let before = query.0.cursor.as_deref().map(|cursor| ledger.payouts_cursor(user, cursor)).transpose()?;
    let mut items = ledger.payouts_of(user, before, i64::try_from(limit + 1).unwrap_or(i64::MAX)).await?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = items.last().filter(|_| more);
    let next_cursor = last.map(|payout| ledger.cursor_after_payout(user, payout.id));
    Ok(Page { items, next_cursor }.respond(&req))
}

/// How a payout is getting on.
#[utoipa::path(get, path = "/api/v1/me/payouts/{id}", tag = "money",
    params(("id" = Uuid, Path, description = "The payout")),
    security(("bearer" = []), ("cookie" = [])),
    responses((status = 200, description = "The payout", body = Payout)))]
pub async fn payout(
    ledger: web::Data<Ledger>,
    who: SignedIn,
    path: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: PayoutId = path.parse().map_err(|_| LedgerError::PayoutNotFound)?;
    Ok(HttpResponse::Ok().json(ledger.payout_of(who.0.user_id, id).await?))
}

const CURSOR: &str = "payouts";

impl Ledger {
    fn cursor_after_payout(&self, user: crate::principal::UserId, last: PayoutId) -> String {
        let payload = [user.0.as_bytes().as_slice(), last.0.as_bytes()].concat();
        self.inner.parts.signer.sign(CURSOR, &payload, None)
    }

    fn payouts_cursor(&self, user: crate::principal::UserId, cursor: &str) -> Result<PayoutId, Problem> {
        let parts = &self.inner.parts;
        let payload = parts.signer.verify(CURSOR, cursor, parts.clock.now()).ok();
        payload
            .as_deref()
            .and_then(|bytes| bytes.strip_prefix(user.0.as_bytes().as_slice()))
            .and_then(|rest| Uuid::from_slice(rest).ok())
            .map(PayoutId)
            .ok_or_else(|| Problem::field(ErrorKind::Invalid, "?cursor", "is not a cursor of this list"))
    }
}
