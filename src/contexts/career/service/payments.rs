//! What the payment provider is asked for bookings, and what it tells; as the marketplace does it.
//!
//! What a webhook says is only a hint: the object is fetched, and its state is applied. Applying the
//! same state twice, or an older one later, changes nothing.

use chrono::{DateTime, Duration, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use super::steps::{step_booking, told};
use crate::{
    contexts::{
        career::{
            Career, CareerError,
            model::{BOOKING, Booking, BookingId, Payment, PaymentId, PaymentState},
            store::{
                self, TIMERS,
                moves::{self, By},
            },
            views,
        },
        ledger::{self, FundHold, LedgerError, Release, ReleaseSplit},
    },
    machine::{Actor, timers::Timer},
    money::Money,
    ports::payments::{NewPayment, NewRefund, NewTransfer, Notice, PaymentIntent, PaymentStatus},
};

/// How long the request that pays has the provider to itself before the job asks too.
const HEAD_START: Duration = Duration::seconds(10);

impl Career {
    pub(super) async fn new_payment(
        &self,
        conn: &mut AsyncPgConnection,
        booking: &Booking,
        now: DateTime<Utc>,
    ) -> Result<PaymentId, CareerError> {
        let payment = Payment {
            id: PaymentId::new(),
            booking_id: booking.id,
            provider: self.payments().name().to_owned(),
            provider_ref: None,
            client_secret: None,
            amount_minor: booking.price_minor,
            currency: booking.currency.clone(),
            state: PaymentState::Created,
            created_at: now,
            updated_at: now,
        };
        store::insert(conn, "payments", &payment).await?;
        TIMERS.set_job(conn, "create_payment", payment.id.0, 0, now + HEAD_START).await?;
        Ok(payment.id)
    }

    /// Asks the provider for a payment that was written down. Safe to repeat.
    pub(super) async fn ask_provider(&self, id: PaymentId) -> Result<(), CareerError> {
        let mut conn = self.conn().await?;
        let Some(payment) = store::payments::load(&mut conn, id).await? else { return Ok(()) };
        if payment.state != PaymentState::Created {
            TIMERS.drop_job(&mut conn, "create_payment", id.0).await?;
            return Ok(());
        }
        // No connection is held while the provider thinks.
        drop(conn);
        let new = NewPayment {
            milestone: payment.booking_id.0,
            amount: Money::new(payment.amount_minor, views::currency(&payment.currency)?),
            transfer_group: payment.booking_id.to_string(),
            description: "A mentoring session".into(),
        };
        let intent = match self.payments().create_payment(new, &format!("booking-payment:{id}")).await {
            Ok(intent) => intent,
            Err(error) if error.is_temporary() => return Err(error.into()),
            Err(error) => {
                slog::warn!(crate::telemetry::log(), "a payment cannot be made"; "payment" => %id, "error" => %error);
                return self.give_up(id).await;
            }
        };
        let now = self.now();
        let mut conn = self.conn().await?;
        let named = &intent;
        (*conn)
            .transaction(async |conn| {
                store::bookings::lock(conn, payment.booking_id).await?;
                TIMERS.drop_job(conn, "create_payment", id.0).await?;
                store::payments::name(conn, id, &named.id, named.client_secret.as_deref(), now).await?;
                let known = store::payments::load(conn, id).await?;
                if known.is_some_and(|payment| payment.state == PaymentState::Created) {
                    store::payments::set(conn, id, PaymentState::Pending, now).await?;
                }
                Ok::<_, CareerError>(())
            })
            .await?;
        drop(conn);
        if intent.status == PaymentStatus::Pending {
            return Ok(());
        }
        self.apply_payment(&mut *self.conn().await?, &intent, None).await
    }

    /// The provider will never make this payment.
    async fn give_up(&self, id: PaymentId) -> Result<(), CareerError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let Some(payment) = store::payments::load(conn, id).await? else { return Ok(()) };
                let found = store::bookings::lock(conn, payment.booking_id).await?;
                let mut booking = found.ok_or(CareerError::No("booking"))?;
                TIMERS.drop_job(conn, "create_payment", id.0).await?;
                fail(conn, &mut booking, &payment, now).await
            })
            .await
    }

    /// Applies what the provider says, in the caller's transaction. Repeating changes nothing; what is
    /// not ours changes nothing either.
    pub(in crate::contexts::career) async fn apply_notice(
        &self,
        conn: &mut AsyncPgConnection,
        notice: &Notice,
    ) -> Result<(), CareerError> {
        match notice {
            Notice::Nothing | Notice::Payout { .. } => Ok(()),
            Notice::Payment(intent) => self.apply_payment(conn, intent, None).await,
            Notice::ChargedBack { payment, dispute } => {
                self.apply_payment(conn, payment, Some(dispute)).await
            }
        }
    }

    async fn apply_payment(
        &self,
        conn: &mut AsyncPgConnection,
        intent: &PaymentIntent,
        charged_back: Option<&str>,
    ) -> Result<(), CareerError> {
        let Some(id) = intent.milestone.map(BookingId) else { return Ok(()) };
        let now = self.now();
        conn.transaction(async |conn| {
            // Somebody else's, where there is none: the provider serves more than us.
            let Some(mut booking) = store::bookings::lock(conn, id).await? else { return Ok(()) };
            let mut payment = self.recognise(conn, &booking, intent, now).await?;
            let waits =
                matches!(payment.state, PaymentState::Created | PaymentState::Pending | PaymentState::Failed);
            let paid = intent.status == PaymentStatus::Succeeded || charged_back.is_some();
            if paid && waits {
                payment.state = arrive(conn, &mut booking, &payment, intent, now).await?;
            } else if matches!(intent.status, PaymentStatus::Failed | PaymentStatus::Cancelled) && waits {
                fail(conn, &mut booking, &payment, now).await?;
            }
            if let Some(dispute) = charged_back {
                charge_back(conn, &mut booking, &payment, dispute, now).await?;
            }
            Ok::<_, CareerError>(())
        })
        .await?;
        self.inner.jobs.notify_one();
        Ok(())
    }

    /// Our row of a payment that the provider speaks of: by its reference, or the one we are still
    /// asking for, or a new one (it went missing here).
    async fn recognise(
        &self,
        conn: &mut AsyncPgConnection,
        booking: &Booking,
        intent: &PaymentIntent,
        now: DateTime<Utc>,
    ) -> Result<Payment, CareerError> {
        let provider = self.payments().name();
        if let Some(payment) = store::payments::by_ref(conn, provider, &intent.id).await? {
            return Ok(payment);
        }
        let asked = store::payments::of_booking(conn, booking.id).await?.into_iter().find(|payment| {
            payment.state == PaymentState::Created
                && payment.provider_ref.is_none()
                && payment.amount_minor == intent.amount.amount_minor
        });
        if let Some(mut payment) = asked {
            store::payments::name(conn, payment.id, &intent.id, intent.client_secret.as_deref(), now).await?;
            payment.provider_ref = Some(intent.id.clone());
            return Ok(payment);
        }
        let payment = Payment {
            id: PaymentId::new(),
            booking_id: booking.id,
            provider: provider.to_owned(),
            provider_ref: Some(intent.id.clone()),
            client_secret: None,
            amount_minor: intent.amount.amount_minor,
            currency: intent.amount.currency.code().to_owned(),
            state: PaymentState::Pending,
            created_at: now,
            updated_at: now,
        };
        store::insert(conn, "payments", &payment).await?;
        Ok(payment)
    }

    /// The saga of a release: transfer to the mentor, then book it.
    pub(super) async fn release(&self, job: &Timer) -> Result<(), CareerError> {
        let (booking, payment) = self.paid(BookingId(job.entity_id)).await?;
        let mut conn = self.conn().await?;
        if ledger::hold(&mut conn, booking.id.0).await?.resolution.is_some() {
            return self.done(job).await;
        }
        drop(conn);
        let amount = Money::new(booking.price_minor, views::currency(&booking.currency)?);
        let fee = self.parts().ledger.fee();
        let mut split = ReleaseSplit::whole(amount, fee).map_err(LedgerError::from)?;
        if split.to_payee.is_positive() {
            let transfer = NewTransfer {
                milestone: booking.id.0,
                payment: payment.provider_ref.clone().unwrap_or_default(),
                destination: self.parts().ledger.payee_account(booking.mentor_id).await?,
                amount: split.to_payee,
                transfer_group: booking.id.to_string(),
                again: job.attempts > 1,
            };
            let key = format!("booking-transfer:{}", booking.id);
            let made = self.payments().transfer(transfer, &key).await?;
            // What was sent is what is booked, also if the fee was another then.
            split = ReleaseSplit::sent(amount, made.amount).map_err(LedgerError::from)?;
        }
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let found = store::bookings::lock(conn, booking.id).await?;
                let booking = found.ok_or(CareerError::No("booking"))?;
                if !TIMERS.consume(conn, job.id).await? {
                    return Ok(());
                }
                ledger::release(conn, booking.id.0, Release::Split(split)).await?;
                let mentor = store::mentors::load(conn, booking.mentor_id).await?;
                let mut data = told(&booking, &mentor.ok_or(CareerError::No("mentor"))?);
                data["to_mentor_minor"] = json!(split.to_payee.amount_minor);
                data["fee_minor"] = json!(split.fee.amount_minor);
                data["amount"] = json!(split.to_payee);
                moves::note(conn, "booking.paid_out", booking.id.0, booking.version, data).await
            })
            .await
    }

    /// Gives a booking's payment back; the ledger has booked it.
    pub(super) async fn refund(&self, job: &Timer) -> Result<(), CareerError> {
        let (booking, payment) = self.paid(BookingId(job.entity_id)).await?;
        self.give_back(&payment, &format!("booking-refund:{}", booking.id), job).await
    }

    /// Sends back what nobody waited for any more.
    pub(super) async fn return_payment(&self, job: &Timer) -> Result<(), CareerError> {
        let id = PaymentId(job.entity_id);
        let payment = store::payments::load(&mut *self.conn().await?, id).await?;
        let payment = payment.ok_or(CareerError::No("payment"))?;
        self.give_back(&payment, &format!("booking-return:{id}"), job).await
    }

    async fn give_back(&self, payment: &Payment, key: &str, job: &Timer) -> Result<(), CareerError> {
        let refund = NewRefund {
            milestone: payment.booking_id.0,
            payment: payment.provider_ref.clone().unwrap_or_default(),
            amount: Money::new(payment.amount_minor, views::currency(&payment.currency)?),
            again: job.attempts > 1,
        };
        self.payments().refund(refund, key).await?;
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                if TIMERS.consume(conn, job.id).await? {
                    store::payments::set(conn, payment.id, PaymentState::Returned, now).await?;
                }
                Ok(())
            })
            .await
    }

    /// A booking and the payment that its money came with.
    async fn paid(&self, id: BookingId) -> Result<(Booking, Payment), CareerError> {
        let mut conn = self.conn().await?;
        let booking = store::bookings::load(&mut conn, id).await?.ok_or(CareerError::No("booking"))?;
        let held = |one: &Payment| matches!(one.state, PaymentState::Held | PaymentState::ChargedBack);
        let payment = store::payments::of_booking(&mut conn, id).await?.into_iter().find(held);
        Ok((booking, payment.ok_or(CareerError::No("payment"))?))
    }
}

/// Money came: it is held for the booking, or, when nobody waits for it any more, sent back.
async fn arrive(
    conn: &mut AsyncPgConnection,
    booking: &mut Booking,
    payment: &Payment,
    intent: &PaymentIntent,
    now: DateTime<Utc>,
) -> Result<PaymentState, CareerError> {
    let expected = Money::new(booking.price_minor, views::currency(&booking.currency)?);
    let wanted = intent.amount == expected
        && now < booking.starts_at
        && BOOKING.step(booking.state, "payment_succeeded", &[Actor::Webhook]).is_ok();
    let mut hold = FundHold {
        hold: booking.id.0,
        payer: booking.seeker_id,
        payee: booking.mentor_id,
        amount: intent.amount,
        provider_ref: intent.id.clone(),
    };
    if wanted {
        match ledger::fund(conn, hold.clone()).await {
            Ok(_) => {
                store::payments::set(conn, payment.id, PaymentState::Held, now).await?;
                let more = json!({ "payment_id": payment.id });
                step_booking(conn, booking, "payment_succeeded", By::WEBHOOK, now, more).await?;
                return Ok(PaymentState::Held);
            }
            Err(LedgerError::HoldExists) => {}
            Err(error) => return Err(error.into()),
        }
    }
    hold.hold = payment.id.0;
    ledger::fund(conn, hold).await?;
    ledger::refund(conn, payment.id.0).await?;
    store::payments::set(conn, payment.id, PaymentState::Returning, now).await?;
    TIMERS.set_job(conn, "return_payment", payment.id.0, 0, now).await?;
    Ok(PaymentState::Returning)
}

/// No money came: who booked may pay anew while the time is held.
async fn fail(
    conn: &mut AsyncPgConnection,
    booking: &mut Booking,
    payment: &Payment,
    now: DateTime<Utc>,
) -> Result<(), CareerError> {
    if !matches!(payment.state, PaymentState::Created | PaymentState::Pending) {
        return Ok(());
    }
    store::payments::set(conn, payment.id, PaymentState::Failed, now).await?;
    if BOOKING.step(booking.state, "payment_failed", &[Actor::Webhook]).is_ok() {
        let more = json!({ "payment_id": payment.id });
        step_booking(conn, booking, "payment_failed", By::WEBHOOK, now, more).await?;
    }
    Ok(())
}

/// The payer's bank took the money back.
async fn charge_back(
    conn: &mut AsyncPgConnection,
    booking: &mut Booking,
    payment: &Payment,
    dispute: &str,
    now: DateTime<Utc>,
) -> Result<(), CareerError> {
    // A payment that went back by itself has nothing left to take.
    if payment.state != PaymentState::Held {
        return Ok(());
    }
    if TIMERS.waiting(conn, "release", booking.id.0).await? {
        return Err(CareerError::Later("a transfer is under way; tell again when it has ended"));
    }
    if BOOKING.step(booking.state, "charge_back", &[Actor::Webhook]).is_ok() {
        let more = json!({ "payment_id": payment.id, "provider_dispute": dispute });
        step_booking(conn, booking, "charge_back", By::WEBHOOK, now, more).await?;
    } else {
        // Too late: what had gone to the mentor is the platform's loss.
        match ledger::lose(conn, booking.id.0, dispute).await {
            Ok(_) | Err(LedgerError::HoldResolved(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    store::payments::set(conn, payment.id, PaymentState::ChargedBack, now).await?;
    Ok(())
}
