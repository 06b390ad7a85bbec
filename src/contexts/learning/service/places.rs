//! Paid places: what the payment provider is asked, and what it tells.
//!
//! The money is kept by the ledger in a hold of the enrolment's id. Who withdraws in time gets it back;
//! after that it goes to the instructor, less the platform's part. What a webhook says is only a hint: the
//! state of the provider's object is applied, and applying it again changes nothing.

use chrono::{DateTime, Duration, Utc};
use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;
use uuid::Uuid;

use super::enrolments::told;
use crate::{
    contexts::{
        learning::{
            EnrolmentView, Learning, LearningError,
            model::{
                ENROLMENT, Enrolment, EnrolmentId, EnrolmentState, PlacePayment, PlacePaymentState as Paid,
            },
            store::{
                self,
                moves::{self, At, By},
            },
        },
        ledger::{self, FundHold, LedgerError, Release, ReleaseSplit},
    },
    ports::payments::{NewPayment, NewRefund, NewTransfer, Notice, PaymentIntent, PaymentStatus},
    principal::Principal,
};

/// The `machine` of timers that are about payments.
pub(super) const PAYMENT: &str = "payment";
/// How long the request that wants a place has the provider to itself before the job asks too.
const HEAD_START: Duration = Duration::seconds(10);
/// How long a place is kept for a payment.
const KEPT: Duration = Duration::days(1);
/// How long withdrawing gives the money back.
const REFUNDABLE: Duration = Duration::days(14);

impl Learning {
    /// Writes a payment down, in the transaction that wants the place. The caller asks the provider
    /// after it ([`Learning::ask_provider`]); a timer does if that fails.
    pub(super) async fn new_payment(
        &self,
        conn: &mut AsyncPgConnection,
        enrolment: &Enrolment,
        now: DateTime<Utc>,
    ) -> Result<Option<Uuid>, LearningError> {
        let Some(price) = enrolment.price()? else { return Ok(None) };
        let payment = PlacePayment {
            id: Uuid::now_v7(),
            enrolment_id: enrolment.id,
            provider: self.inner.ledger.payments().name().to_owned(),
            provider_ref: None,
            client_secret: None,
            amount_minor: price.amount_minor,
            currency: price.currency.code().to_owned(),
            state: Paid::Created,
            created_at: now,
        };
        store::payments::insert(conn, &payment).await?;
        store::TIMERS.set(conn, PAYMENT, payment.id, "create", now + HEAD_START).await?;
        store::TIMERS.set(conn, ENROLMENT.name, enrolment.id.0, "lapse", now + KEPT).await?;
        Ok(Some(payment.id))
    }

    /// Tries to pay again for a place that is kept.
    ///
    /// # Errors
    /// [`LearningError::NotNow`] when it waits for no payment; [`LearningError::Contradicts`] while one is
    /// under way.
    pub async fn pay(&self, who: &Principal, id: EnrolmentId) -> Result<EnrolmentView, LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let payment = (*conn)
            .transaction(async |conn| {
                let enrolment = store::enrolments::lock(conn, id).await?;
                let enrolment = enrolment.filter(|one| one.student_id == who.user_id);
                let enrolment = enrolment.ok_or(LearningError::No("enrolment"))?;
                if enrolment.state != EnrolmentState::Pending {
                    let state = enrolment.state.as_str();
                    let allowed =
                        ENROLMENT.allowed_transitions(enrolment.state, &[crate::machine::Actor::Student]);
                    return Err(LearningError::NotNow { machine: "enrolment", state, allowed });
                }
                let all = store::payments::of(conn, id).await?;
                if all.iter().any(|one| matches!(one.state, Paid::Created | Paid::Pending)) {
                    return Err(LearningError::Contradicts("a payment is under way"));
                }
                self.new_payment(conn, &enrolment, now).await
            })
            .await?;
        drop(conn);
        self.ask_now(payment).await;
        self.enrolment(who, id).await
    }

    /// Asks the provider; what fails is asked again by a timer.
    pub(super) async fn ask_now(&self, payment: Option<Uuid>) {
        let Some(payment) = payment else { return };
        if let Err(error) = self.ask_provider(payment).await {
            slog::warn!(crate::telemetry::log(), "the payment provider was not reached"; "error" => %error);
        }
    }

    /// Asks the provider for a payment that was written down. Safe to repeat.
    pub(super) async fn ask_provider(&self, id: Uuid) -> Result<(), LearningError> {
        let mut conn = self.conn().await?;
        let Some(payment) = store::payments::load(&mut conn, id).await? else { return Ok(()) };
        let none = || LearningError::No("enrolment");
        if payment.state != Paid::Created {
            return Ok(store::TIMERS.drop_task(&mut conn, PAYMENT, id, "create").await?);
        }
        let enrolment = store::enrolments::load(&mut conn, payment.enrolment_id).await?.ok_or_else(none)?;
        let course = store::courses::load(&mut conn, enrolment.course_id).await?.ok_or_else(none)?;
        // No connection is held while the provider thinks.
        drop(conn);
        let new = NewPayment {
            milestone: enrolment.id.0,
            amount: payment.amount()?,
            transfer_group: enrolment.id.to_string(),
            description: course.title,
        };
        let asked = self.inner.ledger.payments().create_payment(new, &format!("payment:{id}")).await;
        let now = self.now();
        let mut conn = self.conn().await?;
        let intent = match asked {
            Ok(intent) => intent,
            Err(error) if error.is_temporary() => return Err(error.into()),
            Err(error) => {
                slog::warn!(crate::telemetry::log(), "a payment cannot be made"; "payment" => %id, "error" => %error);
                store::payments::set(&mut conn, id, Paid::Failed, now).await?;
                return Ok(store::TIMERS.drop_task(&mut conn, PAYMENT, id, "create").await?);
            }
        };
        let named = &intent;
        (*conn)
            .transaction(async |conn| {
                store::enrolments::lock(conn, payment.enrolment_id).await?;
                store::TIMERS.drop_task(conn, PAYMENT, id, "create").await?;
                store::payments::name(conn, id, &named.id, named.client_secret.as_deref(), now).await?;
                Ok::<_, LearningError>(())
            })
            .await?;
        if intent.status == PaymentStatus::Pending {
            Ok(())
        } else {
            self.take(&mut conn, &intent, None).await
        }
    }

    /// Applies what the provider says, in the caller's transaction. Repeating changes nothing; what is
    /// not about a place is somebody else's.
    pub(in crate::contexts::learning) async fn apply_notice(
        &self,
        conn: &mut AsyncPgConnection,
        notice: &Notice,
    ) -> Result<(), LearningError> {
        match notice {
            Notice::Nothing | Notice::Payout { .. } => Ok(()),
            Notice::Payment(intent) => self.take(conn, intent, None).await,
            Notice::ChargedBack { payment, dispute } => self.take(conn, payment, Some(dispute)).await,
        }
    }

    async fn take(
        &self,
        conn: &mut AsyncPgConnection,
        intent: &PaymentIntent,
        charged_back: Option<&str>,
    ) -> Result<(), LearningError> {
        let Some(id) = intent.milestone.map(EnrolmentId) else { return Ok(()) };
        let now = self.now();
        conn.transaction(async |conn| {
            let Some(mut enrolment) = store::enrolments::lock(conn, id).await? else { return Ok(()) };
            let mut payment = self.recognise(conn, &enrolment, intent, now).await?;
            let paid = intent.status == PaymentStatus::Succeeded || charged_back.is_some();
            let waits = matches!(payment.state, Paid::Created | Paid::Pending | Paid::Failed);
            if paid && waits {
                payment.state = arrive(conn, &mut enrolment, &payment, intent, now).await?;
            } else if matches!(intent.status, PaymentStatus::Failed | PaymentStatus::Cancelled) && waits {
                store::payments::set(conn, payment.id, Paid::Failed, now).await?;
            }
            if let Some(dispute) = charged_back {
                charge_back(conn, &mut enrolment, &payment, dispute, now).await?;
            }
            Ok::<_, LearningError>(())
        })
        .await?;
        self.inner.jobs.notify_one();
        Ok(())
    }

    /// Our row of a payment that the provider speaks of: by its reference, or the one we are still asking
    /// for (the provider was faster than our commit), or a new one (it went missing here).
    async fn recognise(
        &self,
        conn: &mut AsyncPgConnection,
        enrolment: &Enrolment,
        intent: &PaymentIntent,
        now: DateTime<Utc>,
    ) -> Result<PlacePayment, LearningError> {
        let provider = self.inner.ledger.payments().name();
        if let Some(payment) = store::payments::by_ref(conn, provider, &intent.id).await? {
            return Ok(payment);
        }
        let all = store::payments::of(conn, enrolment.id).await?;
        let asked = all.into_iter().find(|one| {
            one.state == Paid::Created
                && one.provider_ref.is_none()
                && one.amount_minor == intent.amount.amount_minor
        });
        if let Some(mut payment) = asked {
            store::payments::name(conn, payment.id, &intent.id, intent.client_secret.as_deref(), now).await?;
            payment.provider_ref = Some(intent.id.clone());
            return Ok(payment);
        }
        let payment = PlacePayment {
            id: Uuid::now_v7(),
            enrolment_id: enrolment.id,
            provider: provider.to_owned(),
            provider_ref: Some(intent.id.clone()),
            client_secret: None,
            amount_minor: intent.amount.amount_minor,
            currency: intent.amount.currency.code().to_owned(),
            state: Paid::Pending,
            created_at: now,
        };
        store::payments::insert(conn, &payment).await?;
        Ok(payment)
    }

    /// Nobody paid in time.
    pub(super) async fn lapse(&self, timer: Uuid, id: EnrolmentId) -> Result<(), LearningError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let found = store::enrolments::lock(conn, id).await?;
                let waits = found.filter(|one| one.state == EnrolmentState::Pending);
                if let (true, Some(enrolment)) = (store::TIMERS.consume(conn, timer).await?, waits) {
                    let data = told(&enrolment, "");
                    moves::advance(conn, &ENROLMENT, At::from(&enrolment), "lapse", By::TIMER, now, data)
                        .await?;
                }
                Ok::<_, LearningError>(())
            })
            .await
    }

    /// The saga of the instructor's pay: freeze, transfer, book. An instructor without an account with
    /// the provider is paid once there is one.
    pub(super) async fn pay_instructor(
        &self,
        timer: Uuid,
        again: bool,
        payment: Uuid,
    ) -> Result<(), LearningError> {
        let now = self.now();
        let ledger = &self.inner.ledger;
        let none = || LearningError::No("payment");
        let mut conn = self.conn().await?;
        let found = store::payments::load(&mut conn, payment).await?.ok_or_else(none)?;
        let id = found.enrolment_id;
        let enrolment = store::enrolments::load(&mut conn, id).await?.ok_or_else(none)?;
        let (true, Some(payee)) = (is_held(&found), enrolment.payee_id) else {
            // It went back, or was charged back.
            store::TIMERS.consume(&mut conn, timer).await?;
            return Ok(());
        };
        drop(conn);
        let amount = found.amount()?;
        let mut split = ReleaseSplit::whole(amount, ledger.fee()).map_err(LedgerError::from)?;
        // Before anything is frozen: while there is no account, the learner's bank can take the money back.
        let destination =
            if split.to_payee.is_positive() { Some(ledger.payee_account(payee).await?) } else { None };
        let mut conn = self.conn().await?;
        let started = (*conn)
            .transaction(async |conn| {
                store::enrolments::lock(conn, id).await?;
                let Some(payment) = store::payments::load(conn, payment).await?.filter(is_held) else {
                    // It went meanwhile.
                    store::TIMERS.consume(conn, timer).await?;
                    return Ok::<_, LearningError>(None);
                };
                store::payments::set(conn, payment.id, Paid::Releasing, now).await?;
                Ok(Some(payment))
            })
            .await?;
        let Some(payment) = started else { return Ok(()) };
        drop(conn);
        if let Some(destination) = destination {
            let transfer = NewTransfer {
                milestone: id.0,
                payment: payment.provider_ref.clone().unwrap_or_default(),
                destination,
                amount: split.to_payee,
                transfer_group: id.to_string(),
                again,
            };
            let made = ledger.payments().transfer(transfer, &format!("transfer:{id}")).await?;
            // What was sent is what is booked, also if the fee was another then.
            split = ReleaseSplit::sent(amount, made.amount).map_err(LedgerError::from)?;
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                store::enrolments::lock(conn, id).await?;
                if store::TIMERS.consume(conn, timer).await? {
                    ledger::release(conn, id.0, Release::Split(split)).await?;
                    store::payments::set(conn, payment.id, Paid::Released, now).await?;
                }
                Ok::<_, LearningError>(())
            })
            .await
    }

    /// Sends a payment back; the ledger has booked it.
    pub(super) async fn send_back(&self, timer: Uuid, again: bool, id: Uuid) -> Result<(), LearningError> {
        let mut conn = self.conn().await?;
        let payment = store::payments::load(&mut conn, id).await?.ok_or(LearningError::No("payment"))?;
        drop(conn);
        let refund = NewRefund {
            milestone: payment.enrolment_id.0,
            payment: payment.provider_ref.clone().unwrap_or_default(),
            amount: payment.amount()?,
            again,
        };
        self.inner.ledger.payments().refund(refund, &format!("return:{id}")).await?;
        let now = self.now();
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                if store::TIMERS.consume(conn, timer).await? {
                    store::payments::set(conn, id, Paid::Returned, now).await?;
                }
                Ok::<_, LearningError>(())
            })
            .await
    }
}

/// Whether the ledger has a payment's money for the instructor.
fn is_held(payment: &PlacePayment) -> bool {
    matches!(payment.state, Paid::Held | Paid::Releasing)
}

/// Money came: it is held for the place, or, when nobody waits for it any more, sent back.
async fn arrive(
    conn: &mut AsyncPgConnection,
    enrolment: &mut Enrolment,
    payment: &PlacePayment,
    intent: &PaymentIntent,
    now: DateTime<Utc>,
) -> Result<Paid, LearningError> {
    let payee = enrolment.payee_id.unwrap_or(enrolment.student_id);
    let mut hold = FundHold {
        hold: enrolment.id.0,
        payer: enrolment.student_id,
        payee,
        amount: intent.amount,
        provider_ref: intent.id.clone(),
    };
    let wanted = enrolment.state == EnrolmentState::Pending && enrolment.price()? == Some(intent.amount);
    if wanted {
        ledger::fund(conn, hold).await?;
        store::payments::set(conn, payment.id, Paid::Held, now).await?;
        let until = now + REFUNDABLE;
        store::enrolments::set_refundable(conn, enrolment.id, until).await?;
        admit(conn, enrolment, By::WEBHOOK, now).await?;
        store::TIMERS.set(conn, PAYMENT, payment.id, "release", until).await?;
        return Ok(Paid::Held);
    }
    hold.hold = payment.id;
    ledger::fund(conn, hold).await?;
    ledger::refund(conn, payment.id).await?;
    give_back(conn, enrolment, payment, now).await?;
    Ok(Paid::Returning)
}

/// Lets somebody in: free of charge, or paid.
pub(super) async fn admit(
    conn: &mut AsyncPgConnection,
    enrolment: &mut Enrolment,
    by: By<'_>,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    let course = store::courses::load(conn, enrolment.course_id).await?.ok_or(LearningError::No("course"))?;
    let data = told(enrolment, &course.title);
    let moved = moves::advance(conn, &ENROLMENT, At::from(&*enrolment), "admit", by, now, data).await?;
    (enrolment.state, enrolment.version) = (moved.state, moved.version);
    Ok(())
}

/// What withdrawing does with the money: back, if there is still time.
pub(super) async fn refund_place(
    conn: &mut AsyncPgConnection,
    enrolment: &Enrolment,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    if enrolment.refund_until.is_none_or(|until| until < now) {
        return Ok(());
    }
    let all = store::payments::of(conn, enrolment.id).await?;
    if let Some(held) = all.iter().find(|one| one.state == Paid::Held) {
        ledger::refund(conn, enrolment.id.0).await?;
        give_back(conn, enrolment, held, now).await?;
    }
    Ok(())
}

async fn give_back(
    conn: &mut AsyncPgConnection,
    enrolment: &Enrolment,
    payment: &PlacePayment,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    store::payments::set(conn, payment.id, Paid::Returning, now).await?;
    store::TIMERS.set(conn, PAYMENT, payment.id, "return", now).await?;
    let mut data = told(enrolment, "");
    data["payment_id"] = json!(payment.id);
    moves::note(conn, "enrolment.refunded", enrolment.id.0, enrolment.version, data).await
}

/// The learner's bank took the money back.
async fn charge_back(
    conn: &mut AsyncPgConnection,
    enrolment: &mut Enrolment,
    payment: &PlacePayment,
    dispute: &str,
    now: DateTime<Utc>,
) -> Result<(), LearningError> {
    match payment.state {
        Paid::Releasing => {
            return Err(LearningError::Later("a transfer is under way; tell again when it has ended"));
        }
        Paid::Held => {
            ledger::reverse(conn, enrolment.id.0).await?;
        }
        // The instructor keeps what they were paid: it is the platform's loss.
        Paid::Released => {
            ledger::lose(conn, enrolment.id.0, dispute).await?;
        }
        // What went back by itself has nothing left to take.
        _ => return Ok(()),
    }
    store::payments::set(conn, payment.id, Paid::ChargedBack, now).await?;
    if enrolment.state == EnrolmentState::Active {
        let mut data = told(enrolment, "");
        data["provider_dispute"] = json!(dispute);
        let at = At::from(&*enrolment);
        let moved = moves::advance(conn, &ENROLMENT, at, "charge_back", By::WEBHOOK, now, data).await?;
        (enrolment.state, enrolment.version) = (moved.state, moved.version);
    }
    Ok(())
}
