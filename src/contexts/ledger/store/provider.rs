//! What is kept about the payment provider.

use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, QueryResult};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::schema::{payee_accounts, provider_events};
use crate::{ports::payments::WebhookEvent, principal::UserId};

/// Notes an event; `false` when it took effect before.
pub(in crate::contexts::ledger) async fn first_time(
    conn: &mut AsyncPgConnection,
    provider: &str,
    event: &WebhookEvent,
) -> QueryResult<bool> {
    let inserted = diesel::insert_into(provider_events::table)
        .values((
            provider_events::provider.eq(provider),
            provider_events::event_id.eq(&event.id),
            provider_events::kind.eq(&event.kind),
            provider_events::object_id.eq(&event.object_id),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(inserted == 1)
}

pub(in crate::contexts::ledger) async fn payee_account(
    conn: &mut AsyncPgConnection,
    user: UserId,
    provider: &str,
) -> QueryResult<Option<String>> {
    payee_accounts::table
        .filter(payee_accounts::user_id.eq(user))
        .filter(payee_accounts::provider.eq(provider))
        .select(payee_accounts::account_ref)
        .first(conn)
        .await
        .optional()
}

/// Keeps the account; an earlier one stays.
pub(in crate::contexts::ledger) async fn keep_payee_account(
    conn: &mut AsyncPgConnection,
    user: UserId,
    provider: &str,
    account: &str,
) -> QueryResult<()> {
    diesel::insert_into(payee_accounts::table)
        .values((
            payee_accounts::user_id.eq(user),
            payee_accounts::provider.eq(provider),
            payee_accounts::account_ref.eq(account),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}
