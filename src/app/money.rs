//! Which payment provider.

use std::{io, sync::Arc, time::Duration};

use sha2::{Digest, Sha256};

use super::StartError;
use crate::{
    clock::Clock,
    config::{Config, PaymentsProvider},
    money::BasisPoints,
    ports::payments::{
        Payments,
        sandbox::{Faults, Sandbox},
        signature::WebhookSecret,
        stripe::Stripe,
    },
    postgres::Database,
    telemetry::log,
};

/// The provider of the configuration; the sandbox also by itself, because it delivers from here.
pub(super) async fn payments(
    config: &Config,
    database: &Database,
) -> Result<(Arc<dyn Payments>, Option<Sandbox>), StartError> {
    let set = &config.payments;
    match set.provider {
        PaymentsProvider::Stripe => {
            let text = |secret: &Option<String>| secret.clone().unwrap_or_default();
            let secret = WebhookSecret::several(&text(&set.stripe_webhook_secret)).map_err(|empty| {
                io::Error::new(io::ErrorKind::InvalidInput, format!("STRIPE_WEBHOOK_SECRET: {empty}"))
            })?;
            let stripe = Stripe::new(set.stripe_api_url.clone(), text(&set.stripe_secret_key), secret)?;
            Ok((Arc::new(stripe), None))
        }
        PaymentsProvider::Sandbox => {
            if !config.is_loopback() {
                slog::warn!(log(), "payments go to the sandbox: no real money moves (GIGSY_PAYMENTS)");
            }
            // The same on every node over this database, and of no use elsewhere.
            let key = database.signing_key().await?;
            let derived = Sha256::new_with_prefix(b"sandbox webhooks").chain_update(key).finalize();
            let text: String = derived.iter().map(|byte| format!("{byte:02x}")).collect();
            let faults = Faults {
                delay: Duration::from_millis(set.sandbox_delay_ms),
                refuse: set.sandbox_refuse,
                lose: set.sandbox_lose,
                duplicate: set.sandbox_duplicate,
                reorder: set.sandbox_reorder,
                seed: 0,
            };
            let sandbox = Sandbox::new(database.clone(), WebhookSecret::new(&text), Clock::system(), faults);
            Ok((Arc::new(sandbox.clone()), Some(sandbox)))
        }
    }
}

/// The platform's part; the configuration was checked.
pub(super) fn fee(config: &Config) -> BasisPoints {
    BasisPoints::new(config.payments.fee_basis_points).unwrap_or(BasisPoints::WHOLE)
}
