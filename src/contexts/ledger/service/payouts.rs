//! What a person has, and how it leaves.

use diesel_async::{AsyncConnection, AsyncPgConnection};

use crate::{
    contexts::ledger::{
        error::LedgerError,
        model::{Balance, Payout, PayoutId, PayoutOutcome, Posted},
        store,
    },
    error::FieldError,
    money::Money,
    principal::UserId,
};

/// The person's money, one line a currency they ever had.
///
/// # Errors
/// [`LedgerError::Db`].
pub async fn balance(conn: &mut AsyncPgConnection, user: UserId) -> Result<Vec<Balance>, LedgerError> {
    Ok(store::reports::balance(conn, user).await?)
}

/// Moves money from the balance onto its way out. The same key and amount again answer the same
/// payout.
///
/// # Errors
/// [`LedgerError::Insufficient`], [`LedgerError::KeyReused`], [`LedgerError::Invalid`].
pub async fn payout(
    conn: &mut AsyncPgConnection,
    user: UserId,
    amount: Money,
    key: &str,
) -> Result<Payout, LedgerError> {
    if !amount.is_positive() {
        let said = "must be at least 1 minor unit";
        return Err(LedgerError::Invalid(vec![FieldError::new("/amount/amount_minor", said)]));
    }
    conn.transaction(async |conn| {
        // The lock comes first: a repetition that waits for it finds the payout of the first.
        let available = store::payouts::available(conn, user, amount.currency).await?;
        if let Some(before) = store::payouts::by_key(conn, user, key).await? {
            return if before.amount == amount { Ok(before) } else { Err(LedgerError::KeyReused) };
        }
        if available.amount_minor < amount.amount_minor {
            return Err(LedgerError::Insufficient { available });
        }
        let id = PayoutId::new();
        if !store::payouts::insert(conn, id, user, amount, key).await? {
            // The same key for another currency at the same time.
            return Err(LedgerError::KeyReused);
        }
        store::payouts::find(conn, id).await?.ok_or(LedgerError::PayoutNotFound)
    })
    .await
}

/// Ends a payout: it arrived, or the money is back in the balance.
///
/// # Errors
/// [`LedgerError::PayoutSettled`] when it ended the other way before.
pub async fn settle_payout(
    conn: &mut AsyncPgConnection,
    id: PayoutId,
    outcome: PayoutOutcome,
    provider_ref: Option<&str>,
) -> Result<Posted, LedgerError> {
    use crate::contexts::ledger::model::PayoutState;

    let payout = store::payouts::find(conn, id).await?.ok_or(LedgerError::PayoutNotFound)?;
    let done = conn
        .transaction(async |conn| {
            if store::payouts::settle(conn, &payout, outcome, provider_ref).await? {
                Ok(())
            } else {
                Err(LedgerError::PayoutSettled { paid: false })
            }
        })
        .await;
    match done {
        Ok(()) => Ok(Posted::Now),
        Err(LedgerError::PayoutSettled { .. }) => {
            let now = store::payouts::find(conn, id).await?.ok_or(LedgerError::PayoutNotFound)?;
            let paid = now.state == PayoutState::Paid;
            if paid == (outcome == PayoutOutcome::Paid) {
                Ok(Posted::Before)
            } else {
                Err(LedgerError::PayoutSettled { paid })
            }
        }
        Err(error) => Err(error),
    }
}
