//! Stripe (<https://docs.stripe.com/api>), with "separate charges and transfers" of Connect: the
//! platform takes the payment, keeps it, and transfers it at release; payment and transfers share a
//! `transfer_group`. A typed client for the few calls this needs: the general crates are far larger
//! than the rest of the server.

mod client;
mod wire;

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use url::Url;
use uuid::Uuid;

use self::{
    client::{Call, Client},
    wire::{Disputed, Intent, Link, Listed, Opened, PaidOut, Reference, Refunded, Transferred},
};
use super::{
    NewPayee, NewPayment, NewPayout, NewRefund, NewTransfer, Notice, Onboarding, PaymentError, PaymentIntent,
    Payments, ProviderPayout, Refund, Transfer, WebhookError, WebhookEvent, signature::WebhookSecret,
};
use crate::telemetry::log;

/// The provider.
#[derive(Clone, Debug)]
pub struct Stripe {
    client: Client,
    secret: WebhookSecret,
}

impl Stripe {
    /// At `base` (`https://api.stripe.com`), with the secret key and the webhooks' signing secrets.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(base: Url, key: String, secret: WebhookSecret) -> Result<Self, crate::tls::TlsError> {
        Ok(Self { client: Client::new(base, key)?, secret })
    }

    async fn intent(&self, id: &str) -> Result<Intent, PaymentError> {
        self.client.send(Call::get(format!("/v1/payment_intents/{}", segment(id)?))).await
    }
}

/// An id of Stripe's as a segment of a path: it comes from a webhook or a table, so it is looked at.
fn segment(id: &str) -> Result<&str, PaymentError> {
    let sound =
        !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if sound { Ok(id) } else { Err(PaymentError::NotFound) }
}

/// Whether an object was made for that milestone.
fn is_of(metadata: &HashMap<String, String>, milestone: Uuid) -> bool {
    metadata.get("milestone").and_then(|text| text.parse().ok()) == Some(milestone)
}

/// The same for the same request, and hardly for another.
fn fingerprint(form: &[(&str, String)]) -> String {
    let mut digest = Sha256::new();
    for (name, value) in form {
        digest.update(format!("{}:{name}{}:{value}", name.len(), value.len()));
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[async_trait]
impl Payments for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    async fn create_payment(&self, payment: NewPayment, key: &str) -> Result<PaymentIntent, PaymentError> {
        let form = vec![
            ("amount", payment.amount.amount_minor.to_string()),
            ("currency", payment.amount.currency.code().to_ascii_lowercase()),
            ("transfer_group", payment.transfer_group),
            ("description", payment.description),
            ("metadata[milestone]", payment.milestone.to_string()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
        ];
        let intent: Intent = self.client.send(Call::post("/v1/payment_intents", key, form)).await?;
        intent.into_payment()
    }

    async fn payment(&self, id: &str) -> Result<PaymentIntent, PaymentError> {
        self.intent(id).await?.into_payment()
    }

    async fn transfer(&self, transfer: NewTransfer, key: &str) -> Result<Transfer, PaymentError> {
        if transfer.again {
            let group = segment(&transfer.transfer_group)?;
            let path = format!("/v1/transfers?transfer_group={group}&limit=100");
            let made: Listed<Transferred> = self.client.send(Call::get(path)).await?;
            if let Some(done) = made.data.into_iter().find(|one| is_of(&one.metadata, transfer.milestone)) {
                return Ok(Transfer { amount: wire::money(done.amount, &done.currency)?, id: done.id });
            }
        }
        let mut form = vec![
            ("amount", transfer.amount.amount_minor.to_string()),
            ("currency", transfer.amount.currency.code().to_ascii_lowercase()),
            ("destination", transfer.destination),
            ("transfer_group", transfer.transfer_group),
            ("metadata[milestone]", transfer.milestone.to_string()),
        ];
        // With its charge named, the transfer need not wait until the charge's money is available.
        if let Some(charge) = self.intent(&transfer.payment).await?.latest_charge {
            form.push(("source_transaction", charge.into_id()));
        }
        let done: Transferred = self.client.send(Call::post("/v1/transfers", key, form)).await?;
        Ok(Transfer { amount: wire::money(done.amount, &done.currency)?, id: done.id })
    }

    async fn refund(&self, refund: NewRefund, key: &str) -> Result<Refund, PaymentError> {
        if refund.again {
            let path = format!("/v1/refunds?payment_intent={}&limit=100", segment(&refund.payment)?);
            let made: Listed<Refunded> = self.client.send(Call::get(path)).await?;
            // One that failed moved nothing, and is made anew.
            let failed = |one: &Refunded| matches!(one.status.as_deref(), Some("failed" | "canceled"));
            let mut ours = made.data.into_iter().filter(|one| is_of(&one.metadata, refund.milestone));
            if let Some(done) = ours.find(|one| !failed(one)) {
                return Ok(Refund { succeeded: done.status.as_deref() == Some("succeeded"), id: done.id });
            }
        }
        let form = vec![
            ("payment_intent", refund.payment),
            ("amount", refund.amount.amount_minor.to_string()),
            ("metadata[milestone]", refund.milestone.to_string()),
        ];
        let done: Refunded = self.client.send(Call::post("/v1/refunds", key, form)).await?;
        match done.status.as_deref() {
            Some("failed" | "canceled") => Err(PaymentError::Refused { code: "refund_failed".into() }),
            status => Ok(Refund { succeeded: status == Some("succeeded"), id: done.id }),
        }
    }

    async fn payout(&self, payout: NewPayout, key: &str) -> Result<ProviderPayout, PaymentError> {
        let form = vec![
            ("amount", payout.amount.amount_minor.to_string()),
            ("currency", payout.amount.currency.code().to_ascii_lowercase()),
            ("metadata[payout]", payout.payout.to_string()),
        ];
        let call = Call::post("/v1/payouts", key, form).on(Some(&payout.account));
        let done: PaidOut = self.client.send(call).await?;
        Ok(ProviderPayout { status: done.state(), id: done.id })
    }

    async fn onboard(&self, payee: NewPayee, key: &str) -> Result<Onboarding, PaymentError> {
        let form = vec![
            ("type", "express".to_owned()),
            ("capabilities[transfers][requested]", "true".to_owned()),
            // Otherwise Stripe pays out daily by itself, past the books, and our payouts find nothing.
            ("settings[payouts][schedule][interval]", "manual".to_owned()),
            ("metadata[user]", payee.user.to_string()),
        ];
        let account = match payee.account {
            Some(account) => account,
            None => {
                // Stripe refuses a key that comes with another request, for a day, and then forgets it. So
                // the key says what is asked for; what came of it is kept by the caller, and never asked
                // for again.
                let key = format!("{key}-{}", fingerprint(&form));
                let opened: Opened = self.client.send(Call::post("/v1/accounts", &key, form)).await?;
                opened.id
            }
        };
        // A link works once and for minutes, so each asking makes one: it moves nothing, and has no key.
        let form = vec![
            ("account", account.clone()),
            ("type", "account_onboarding".to_owned()),
            ("return_url", payee.return_url),
            ("refresh_url", payee.refresh_url),
        ];
        let mut call = Call::post("/v1/account_links", key, form);
        call.key = None;
        let link: Link = self.client.send(call).await?;
        Ok(Onboarding { account, url: link.url })
    }

    fn verify_webhook(
        &self,
        body: &[u8],
        signature: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<WebhookEvent, WebhookError> {
        self.secret.verify(body, signature, now)?;
        WebhookEvent::parse(body)
    }

    async fn resolve(&self, event: &WebhookEvent) -> Result<Notice, PaymentError> {
        let id = segment(&event.object_id)?;
        if event.kind.starts_with("payment_intent.") {
            return Ok(Notice::Payment(self.payment(id).await?));
        }
        if event.kind.starts_with("charge.dispute.") {
            let dispute: Disputed = self.client.send(Call::get(format!("/v1/disputes/{id}"))).await?;
            // An inquiry takes no money.
            if dispute.status.starts_with("warning") {
                return Ok(Notice::Nothing);
            }
            let Some(payment) = dispute.payment_intent.map(Reference::into_id) else {
                return Ok(Notice::Nothing);
            };
            if dispute.status == "won" {
                // It gives the money back, and nothing books that. Of its events this one tells.
                if event.kind == "charge.dispute.closed" {
                    slog::error!(log(), "a dispute was won: its money is back, and an operator has to book it";
                        "dispute" => &dispute.id, "payment" => &payment);
                }
                return Ok(Notice::Nothing);
            }
            let payment = self.payment(&payment).await?;
            return Ok(Notice::ChargedBack { payment, dispute: dispute.id });
        }
        if event.kind.starts_with("payout.") {
            let call = Call::get(format!("/v1/payouts/{id}")).on(event.account.as_deref());
            let payout: PaidOut = self.client.send(call).await?;
            let Some(ours) = payout.ours() else { return Ok(Notice::Nothing) };
            return Ok(Notice::Payout { payout: ours, status: payout.state(), id: payout.id });
        }
        Ok(Notice::Nothing)
    }
}
