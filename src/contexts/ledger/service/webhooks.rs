//! The payment provider's news: verified, fetched again, applied once.

use diesel_async::AsyncConnection;
use futures_util::future::BoxFuture;

use crate::{
    contexts::ledger::{Ledger, error::LedgerError, model::PayoutId, store},
    error::Fault,
    ports::payments::{Notice, PaymentStatus, sandbox::WebhookSink},
    telemetry::log,
};

impl Ledger {
    /// Takes a webhook: its raw body and the signature's header. `Ok` means that it need not come
    /// again; the same event twice has one effect.
    ///
    /// # Errors
    /// [`LedgerError::Webhook`] when it is not the provider's; anything else means later.
    pub async fn take_webhook(&self, body: &[u8], signature: Option<&str>) -> Result<(), LedgerError> {
        let now = self.inner.parts.clock.now();
        let event = self.payments().verify_webhook(body, signature, now)?;
        let notice = self.payments().resolve(&event).await?;
        if let Notice::Payment(payment) = &notice
            && payment.status == PaymentStatus::Pending
            && matches!(event.kind.as_str(), "payment_intent.succeeded" | "payment_intent.payment_failed")
        {
            // The news are ahead of what the provider lets us read.
            return Err(LedgerError::NotApplied("the payment is still pending".into()));
        }
        let sink = self.inner.sink.get();
        let provider = self.payments().name();
        let mut conn = self.conn().await?;
        conn.transaction(async |conn| {
            if !store::provider::first_time(conn, provider, &event).await? {
                return Ok(());
            }
            match &notice {
                Notice::Nothing => Ok(()),
                Notice::Payout { payout, id, status } => {
                    self.settle(conn, PayoutId(*payout), *status, id).await
                }
                Notice::Payment(_) | Notice::ChargedBack { .. } => {
                    let Some(sink) = sink else {
                        return Err(LedgerError::NotApplied("nobody acts on payments yet".into()));
                    };
                    sink.apply(conn, &notice).await
                }
            }
        })
        .await?;
        slog::debug!(log(), "a webhook was taken"; "event" => &event.id, "kind" => &event.kind);
        Ok(())
    }
}

impl WebhookSink for Ledger {
    fn take<'a>(
        &'a self,
        body: &'a [u8],
        signature: &'a str,
    ) -> BoxFuture<'a, Result<(), Box<dyn std::error::Error + Send + Sync>>> {
        Box::pin(async move {
            match self.take_webhook(body, Some(signature)).await {
                Ok(()) => Ok(()),
                Err(error) => {
                    if !error.kind().temporary() {
                        slog::error!(log(), "a webhook cannot be applied"; "error" => %error);
                    }
                    Err(error.into())
                }
            }
        })
    }
}
