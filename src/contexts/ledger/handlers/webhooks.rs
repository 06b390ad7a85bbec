//! Where the payment provider calls.

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{contexts::ledger::Ledger, http::Problem};

/// The payment provider's news. Only what it signed is taken; anything but 2xx makes it call again.
#[utoipa::path(post, path = "/api/v1/webhooks/payments", tag = "money",
    params(("Stripe-Signature" = String, Header, description = "The provider's signature over the raw body")),
    request_body(content = String, content_type = "application/json"),
    responses((status = 204, description = "Taken")))]
pub async fn take(
    ledger: web::Data<Ledger>,
    req: HttpRequest,
    // As it came: the signature is over these bytes.
    body: web::Bytes,
) -> Result<HttpResponse, Problem> {
    let signature = req.headers().get("stripe-signature").and_then(|value| value.to_str().ok());
    ledger.take_webhook(&body, signature).await?;
    Ok(HttpResponse::NoContent().finish())
}
