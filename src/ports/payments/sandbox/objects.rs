//! The sandbox's objects, in `sandbox.objects`.

use chrono::{DateTime, Utc};
use diesel::{
    OptionalExtension, QueryableByName,
    sql_types::{BigInt, Bool, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{
    super::{PaymentError, PaymentIntent, PaymentStatus, ProviderPayoutStatus},
    Sandbox, silence, within,
};
use crate::{money::Money, postgres::DbError};

/// An object to make.
pub(super) struct NewObject {
    pub kind: &'static str,
    pub prefix: &'static str,
    pub amount: Option<Money>,
    pub reference: Option<Uuid>,
    pub payment: Option<String>,
    pub request: serde_json::Value,
    pub refused: bool,
}

#[derive(QueryableByName)]
pub(super) struct Object {
    #[diesel(sql_type = Text)]
    pub id: String,
    #[diesel(sql_type = Jsonb)]
    pub request: serde_json::Value,
    #[diesel(sql_type = BigInt)]
    pub amount_minor: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub currency: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub reference: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub payment: Option<String>,
    #[diesel(sql_type = Bool)]
    pub succeeds: bool,
    #[diesel(sql_type = Timestamptz)]
    pub settles_at: DateTime<Utc>,
}

impl Object {
    pub fn money(&self) -> Result<Money, PaymentError> {
        let currency = self.currency.as_deref().and_then(|code| code.parse().ok());
        let currency = currency.ok_or_else(|| PaymentError::Rejected { reason: "no currency".into() })?;
        Ok(Money::new(self.amount_minor, currency))
    }

    pub fn intent(&self, now: DateTime<Utc>) -> Result<PaymentIntent, PaymentError> {
        let status = match (now >= self.settles_at, self.succeeds) {
            (false, _) => PaymentStatus::Pending,
            (true, true) => PaymentStatus::Succeeded,
            (true, false) => PaymentStatus::Failed,
        };
        Ok(PaymentIntent {
            id: self.id.clone(),
            // Nothing for a browser to complete.
            client_secret: None,
            status,
            amount: self.money()?,
            milestone: self.reference,
        })
    }

    pub fn payout_status(&self, now: DateTime<Utc>) -> ProviderPayoutStatus {
        match (now >= self.settles_at, self.succeeds) {
            (false, _) => ProviderPayoutStatus::Pending,
            (true, true) => ProviderPayoutStatus::Paid,
            (true, false) => ProviderPayoutStatus::Failed,
        }
    }
}

const COLUMNS: &str = "id, request, amount_minor, currency, reference, payment, succeeds, settles_at";

enum Failed {
    Refused(PaymentError),
    Db(DbError),
}

impl From<diesel::result::Error> for Failed {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

impl From<Failed> for PaymentError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(error) => error,
            Failed::Db(error) => unreachable_store(&error),
        }
    }
}

pub(super) fn unreachable_store(error: &DbError) -> PaymentError {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    silence(&cause.unwrap_or_else(|| error.to_string()))
}

/// Makes the object, with its webhooks (for success and for failure), or answers the one that this
/// key made before.
pub(super) async fn record(
    sandbox: &Sandbox,
    new: NewObject,
    key: &str,
    webhook: Option<[&str; 2]>,
) -> Result<Object, PaymentError> {
    let mut conn = sandbox.database.conn().await.map_err(|e| unreachable_store(&e))?;
    let settles_at = sandbox.settles_at();
    let done: Result<Object, Failed> = conn
        .transaction(async |conn| {
            if let Some(payment) = &new.payment {
                limit(conn, payment, &new, key).await?;
            }
            let id = format!("{}_{}", new.prefix, Uuid::now_v7().simple());
            let made: Option<Object> = diesel::sql_query(format!(
                "insert into sandbox.objects
                    (id, kind, request_key, request, amount_minor, currency, reference, payment, succeeds, settles_at)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 on conflict (request_key) do nothing returning {COLUMNS}"
            ))
            .bind::<Text, _>(&id)
            .bind::<Text, _>(new.kind)
            .bind::<Text, _>(key)
            .bind::<Jsonb, _>(&new.request)
            .bind::<BigInt, _>(new.amount.map_or(0, |amount| amount.amount_minor))
            .bind::<Nullable<Text>, _>(new.amount.map(|amount| amount.currency.to_string()))
            .bind::<Nullable<SqlUuid>, _>(new.reference)
            .bind::<Nullable<Text>, _>(&new.payment)
            .bind::<Bool, _>(!new.refused)
            .bind::<Timestamptz, _>(settles_at)
            .get_result(conn)
            .await
            .optional()?;
            if let Some(made) = made {
                if let Some([success, failure]) = webhook {
                    let kind = if made.succeeds { success } else { failure };
                    super::deliveries::schedule(sandbox, conn, kind, &made.id, settles_at).await?;
                }
                return Ok(made);
            }
            let before: Object =
                diesel::sql_query(format!("select {COLUMNS} from sandbox.objects where request_key = $1"))
                    .bind::<Text, _>(key)
                    .get_result(conn)
                    .await?;
            if before.request == new.request { Ok(before) } else { Err(Failed::Refused(PaymentError::KeyReused)) }
        })
        .await;
    Ok(done?)
}

/// A payment's transfers and refunds never come to more than it.
async fn limit(
    conn: &mut AsyncPgConnection,
    payment: &str,
    new: &NewObject,
    key: &str,
) -> Result<(), Failed> {
    if new.kind == "dispute" {
        return Ok(());
    }
    #[derive(QueryableByName)]
    struct Sum {
        #[diesel(sql_type = BigInt)]
        spent: i64,
    }
    let of: Object =
        diesel::sql_query(format!("select {COLUMNS} from sandbox.objects where id = $1 for update"))
            .bind::<Text, _>(payment)
            .get_result(conn)
            .await?;
    let Sum { spent } = diesel::sql_query(
        "select coalesce(sum(amount_minor), 0)::bigint as spent from sandbox.objects
         where payment = $1 and kind in ('transfer', 'refund') and request_key <> $2",
    )
    .bind::<Text, _>(payment)
    .bind::<Text, _>(key)
    .get_result(conn)
    .await?;
    let whole = of.money().map_err(Failed::Refused)?;
    let amount = new.amount.unwrap_or_else(|| Money::zero(whole.currency));
    within(spent, amount, whole, new.kind).map_err(Failed::Refused)
}

pub(super) async fn find(sandbox: &Sandbox, id: &str, kind: &str) -> Result<Object, PaymentError> {
    let mut conn = sandbox.database.conn().await.map_err(|e| unreachable_store(&e))?;
    diesel::sql_query(format!("select {COLUMNS} from sandbox.objects where id = $1 and kind = $2"))
        .bind::<Text, _>(id)
        .bind::<Text, _>(kind)
        .get_result(&mut conn)
        .await
        .optional()
        .map_err(|e| unreachable_store(&e.into()))?
        .ok_or(PaymentError::NotFound)
}

/// What was made of a payment for that milestone before, whatever was asked for then.
pub(super) async fn made(
    sandbox: &Sandbox,
    kind: &str,
    payment: &str,
    milestone: Uuid,
) -> Result<Option<Object>, PaymentError> {
    let mut conn = sandbox.database.conn().await.map_err(|e| unreachable_store(&e))?;
    diesel::sql_query(format!(
        "select {COLUMNS} from sandbox.objects where payment = $1 and kind = $2 and reference = $3
         order by created_at limit 1"
    ))
    .bind::<Text, _>(payment)
    .bind::<Text, _>(kind)
    .bind::<SqlUuid, _>(milestone)
    .get_result(&mut conn)
    .await
    .optional()
    .map_err(|e| unreachable_store(&e.into()))
}
