//! Funding, and the three ways a hold resolves.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use uuid::Uuid;

use crate::{
    contexts::ledger::{
        error::LedgerError,
        model::{FundHold, Hold, Posted, Release, ReleaseSplit, Resolution, ResolutionKind},
        store,
    },
    error::FieldError,
    money::{LARGEST_PAYMENT, Money, MoneyError},
};

/// Puts a payment on hold. The same payment for the same hold again changes nothing.
///
/// # Errors
/// [`LedgerError::HoldExists`] when the hold has another payment, or the payment another hold: the
/// caller gives the second payment back. [`LedgerError::Invalid`] for an amount out of bounds.
pub async fn fund(conn: &mut AsyncPgConnection, form: FundHold) -> Result<Posted, LedgerError> {
    if !(1..=LARGEST_PAYMENT).contains(&form.amount.amount_minor) {
        let said = format!("must be from 1 to {LARGEST_PAYMENT} minor units");
        return Err(LedgerError::Invalid(vec![FieldError::new("/amount/amount_minor", said)]));
    }
    let done = conn
        .transaction(async |conn| {
            if store::holds::insert(conn, &form).await? { Ok(()) } else { Err(LedgerError::HoldExists) }
        })
        .await;
    match done {
        Ok(()) => Ok(Posted::Now),
        Err(LedgerError::HoldExists) => match store::holds::find(conn, &[form.hold]).await?.pop() {
            Some(before)
                if before.provider_ref == form.provider_ref
                    && before.amount == form.amount
                    && before.payer == form.payer
                    && before.payee == form.payee =>
            {
                Ok(Posted::Before)
            }
            _ => Err(LedgerError::HoldExists),
        },
        Err(error) => Err(error),
    }
}

/// The hold as it stands.
///
/// # Errors
/// [`LedgerError::HoldNotFound`].
pub async fn hold(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Hold, LedgerError> {
    holds(conn, &[id]).await?.pop().ok_or(LedgerError::HoldNotFound)
}

/// Those of these holds that exist, as they stand, oldest first.
///
/// # Errors
/// [`LedgerError::Db`].
pub async fn holds(conn: &mut AsyncPgConnection, ids: &[Uuid]) -> Result<Vec<Hold>, LedgerError> {
    store::holds::find(conn, ids).await
}

/// Releases the hold to the payee's balance, less the fee, and gives back what an operator ruled.
/// Answers how it was divided.
///
/// # Errors
/// [`LedgerError::HoldResolved`] when it was resolved before, by whatever; [`LedgerError::Money`] when
/// the parts do not sum to it.
pub async fn release(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    how: Release,
) -> Result<ReleaseSplit, LedgerError> {
    let hold = hold(conn, id).await?;
    let split = match how {
        Release::Whole(fee) => ReleaseSplit::whole(hold.amount, fee)?,
        Release::Split(split) => split,
    };
    let parts = [split.to_payee, split.fee, split.refund];
    let sum = split.to_payee.plus(split.fee)?.plus(split.refund)?;
    if sum != hold.amount || parts.iter().any(|part| part.amount_minor < 0) {
        return Err(MoneyError::BadSplit.into());
    }
    let to = Resolution {
        kind: ResolutionKind::Release,
        released: split.to_payee,
        fee: split.fee,
        refunded: split.refund,
        reversed: Money::zero(hold.amount.currency),
    };
    resolve(conn, &hold, &to, None).await?;
    Ok(split)
}

/// Gives the whole hold back. Answers how much.
///
/// # Errors
/// As [`release`].
pub async fn refund(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Money, LedgerError> {
    let hold = hold(conn, id).await?;
    let none = Money::zero(hold.amount.currency);
    let to = Resolution {
        kind: ResolutionKind::Refund,
        released: none,
        fee: none,
        refunded: hold.amount,
        reversed: none,
    };
    resolve(conn, &hold, &to, None).await?;
    Ok(hold.amount)
}

/// The payer's bank took the payment back while it was on hold. Answers how much.
///
/// # Errors
/// As [`release`]. After [`LedgerError::HoldResolved`] by a release the platform has lost the money:
/// see [`lose`].
pub async fn reverse(conn: &mut AsyncPgConnection, id: Uuid) -> Result<Money, LedgerError> {
    let hold = hold(conn, id).await?;
    let none = Money::zero(hold.amount.currency);
    let to = Resolution {
        kind: ResolutionKind::Reverse,
        released: none,
        fee: none,
        refunded: none,
        reversed: hold.amount,
    };
    resolve(conn, &hold, &to, None).await?;
    Ok(hold.amount)
}

/// The payer's bank took the payment back after the hold had been released: the platform bears it.
/// Once per dispute of the provider; the hold's resolution stays what it was.
///
/// # Errors
/// [`LedgerError::HoldOpen`] while [`reverse`] is still possible, and for a hold that was refunded in
/// full or reversed, which has nothing left to lose: [`LedgerError::HoldResolved`].
pub async fn lose(conn: &mut AsyncPgConnection, id: Uuid, dispute: &str) -> Result<Posted, LedgerError> {
    let hold = hold(conn, id).await?;
    let ended = hold.resolution.ok_or(LedgerError::HoldOpen)?;
    let lost = ended.released.plus(ended.fee)?;
    if lost.is_zero() {
        return Err(LedgerError::HoldResolved(ended.kind));
    }
    let done = conn
        .transaction(async |conn| {
            if store::holds::lose(conn, &hold, lost, dispute).await? {
                Ok(())
            } else {
                Err(LedgerError::HoldExists)
            }
        })
        .await;
    match done {
        Ok(()) => Ok(Posted::Now),
        Err(LedgerError::HoldExists) => Ok(Posted::Before),
        Err(error) => Err(error),
    }
}

async fn resolve(
    conn: &mut AsyncPgConnection,
    hold: &Hold,
    to: &Resolution,
    provider_ref: Option<&str>,
) -> Result<(), LedgerError> {
    if let Some(ended) = hold.resolution {
        return Err(LedgerError::HoldResolved(ended.kind));
    }
    let done = conn
        .transaction(async |conn| {
            if store::holds::resolve(conn, hold, to, provider_ref).await? {
                Ok(())
            } else {
                Err(LedgerError::HoldResolved(to.kind))
            }
        })
        .await;
    match done {
        // Somebody was faster since the hold was read: say how.
        Err(LedgerError::HoldResolved(_)) => {
            let now = self::hold(conn, hold.id).await?;
            Err(LedgerError::HoldResolved(now.resolution.map_or(to.kind, |ended| ended.kind)))
        }
        other => other,
    }
}
