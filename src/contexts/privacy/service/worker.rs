//! What goes on beside requests: archives are packed and removed, erasures completed. All of it is rows: whoever
//! looks does what is left.

use std::time::Duration;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use serde_json::json;

use crate::{
    contexts::{
        objects::UploadId,
        privacy::{
            KEPT, Privacy, PrivacyError,
            model::{Erasure, Export, ExportId, ExportState},
            store,
            views::ReceiptView,
        },
    },
    custody::Custodian,
    error::Fault,
    events::{self, NewEvent},
    principal::UserId,
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// How often it looks when nothing wakes it.
const LOOK: Duration = Duration::from_secs(2);
/// How often while an erasure goes on: somebody watches.
const WATCHED: Duration = Duration::from_millis(200);

impl Privacy {
    /// Does what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run(self) {
        loop {
            let pause = match self.tick().await {
                Ok(0) => LOOK,
                Ok(_) => WATCHED,
                Err(error) => {
                    slog::warn!(log(), "data rights wait"; "kind" => error.kind().slug(), "error" => %error);
                    LOOK
                }
            };
            let _ = tokio::time::timeout(pause, self.inner.work.notified()).await;
        }
    }

    /// Does what is due now, once over; how many archives were taken up, and erasures are left.
    ///
    /// # Errors
    /// When rows cannot be read. What fails is put off, and told in the log.
    pub async fn tick(&self) -> Result<usize, PrivacyError> {
        let mut busy = 0;
        while let Some(export) = store::exports::lease(&mut *self.conn().await?, self.now()).await? {
            busy += 1;
            let done = correlation::scope(CorrelationId::fresh(), self.attend(&export)).await;
            if let Err(error) = done {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                slog::warn!(log(), "an archive is put off"; "export" => %export.id,
                    "kind" => error.kind().slug(), "error" => %error, "cause" => cause);
                let pause = (1_i64 << export.attempts.clamp(0, 10)).min(600);
                let until = self.now() + chrono::Duration::seconds(pause);
                store::exports::put_off(&mut *self.conn().await?, export.id, until, &error.to_string())
                    .await?;
            }
        }
        for erasure in store::erasures::open(&mut *self.conn().await?).await? {
            let user = erasure.user_id;
            match correlation::scope(CorrelationId::fresh(), self.follow(user)).await {
                Ok(true) => {}
                Ok(false) => busy += 1,
                Err(error) => slog::warn!(log(), "an erasure goes on later"; "user_id" => %user,
                    "kind" => error.kind().slug(), "error" => %error),
            }
        }
        Ok(busy)
    }

    async fn attend(&self, export: &Export) -> Result<(), PrivacyError> {
        match export.state {
            ExportState::Packing => self.pack(export).await,
            ExportState::Ready => self.discard(export).await,
            ExportState::Gathering | ExportState::Expired => Ok(()),
        }
    }

    async fn pack(&self, export: &Export) -> Result<(), PrivacyError> {
        let parts = store::exports::parts(&mut *self.conn().await?, export.id).await?;
        let file = self.write_archive(export, &parts).await?;
        let size = file.as_file().metadata().map_err(PrivacyError::archive)?.len();
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        // The object has the archive's id: packed again after a crash, it is the same one.
        let object = UploadId(export.id.0);
        let name = format!("gigsy-{}.zip", export.created_at.format("%Y-%m-%d"));
        let uploads = &self.parts().uploads;
        let holder = format!("export:{}", export.id);
        // Nothing is kept for who was erased meanwhile, or does not want it any more.
        if self.state_of(export.id).await? != Some(ExportState::Packing) {
            return Ok(());
        }
        uploads.keep_file(object, export.user_id, &name, "application/zip", file.path(), &holder).await?;
        let (now, mut conn) = (self.now(), self.conn().await?);
        let expires_at = now + KEPT;
        let wanted = (*conn)
            .transaction(async |conn| {
                if !store::exports::ready(conn, export.id, object, size, expires_at, now).await? {
                    return Ok(false);
                }
                let data =
                    json!({ "user_id": export.user_id, "export_id": export.id, "expires_at": expires_at });
                let event = NewEvent {
                    subject: "export.ready",
                    context: "privacy",
                    aggregate: export.id.to_string(),
                    version: export.version + 1,
                    data,
                };
                events::record(conn, event).await?;
                Ok::<_, PrivacyError>(true)
            })
            .await?;
        drop(conn);
        if wanted {
            self.parts().metrics.exports.with_label_values(&["ready"]).inc();
            self.show_export(export.user_id, export.id, "ready", None);
        } else if self.state_of(export.id).await? != Some(ExportState::Ready) {
            // Unless another node has packed the same one, it is nobody's.
            uploads.discard(object).await?;
        }
        Ok(())
    }

    async fn state_of(&self, id: ExportId) -> Result<Option<ExportState>, PrivacyError> {
        let found = store::exports::load(&mut *self.conn().await?, id).await?;
        Ok(found.map(|export| export.state))
    }

    /// Asks those whose work goes on whether it is done; completes an erasure when everybody is. Whether it is.
    async fn follow(&self, user: UserId) -> Result<bool, PrivacyError> {
        let receipts = store::erasures::receipts(&mut *self.conn().await?, user).await?;
        let working =
            |context: &str| receipts.iter().any(|receipt| receipt.context == context && !receipt.done);
        let custodians = self.custodians();
        for custodian in custodians.iter().filter(|one| working(one.names().context)) {
            // Each by itself: one that fails holds nobody else up.
            match self.finish(user, &**custodian).await {
                Ok(Some(receipt)) => self.show_receipt(user, &receipt),
                Ok(None) => {}
                Err(error) => slog::warn!(log(), "an erasure goes on later"; "user_id" => %user,
                    "context" => custodian.names().context, "error" => %error,
                    "cause" => std::error::Error::source(&error).map(ToString::to_string)),
            }
        }
        let now = self.now();
        let mut conn = self.conn().await?;
        let complete = (*conn)
            .transaction(async |conn| {
                let Some(erasure) = store::erasures::take(conn, user).await? else { return Ok(None) };
                if !all_done(conn, &erasure, "").await? {
                    return Ok(Some(false));
                }
                store::erasures::complete(conn, user, now).await?;
                let event = NewEvent {
                    subject: "erasure.completed",
                    context: "privacy",
                    aggregate: user.to_string(),
                    version: 1,
                    data: json!({ "user_id": user }),
                };
                events::record(conn, event).await?;
                Ok::<_, PrivacyError>(Some(true))
            })
            .await?;
        if complete == Some(true) {
            self.show(user, &json!({ "type": "erasure_completed", "at": now }));
            slog::info!(log(), "everybody has forgotten a person"; "user_id" => %user);
        }
        Ok(complete.unwrap_or(false))
    }

    /// Asks one whose work goes on; its receipt, if that is done now.
    async fn finish(
        &self,
        user: UserId,
        custodian: &dyn Custodian,
    ) -> Result<Option<ReceiptView>, PrivacyError> {
        let (context, now) = (custodian.names().context, self.now());
        let mut conn = self.conn().await?;
        (*conn)
            .transaction(async |conn| {
                let Some(erasure) = store::erasures::take(conn, user).await? else { return Ok(None) };
                if custodian.is_last() && !all_done(conn, &erasure, context).await? {
                    return Ok(None);
                }
                let finished = custodian.finish(conn, user).await.map_err(PrivacyError::archive)?;
                let Some(counts) = finished else { return Ok(None) };
                if custodian.is_last() {
                    for other in self.custodians() {
                        other.settle(conn, user).await.map_err(PrivacyError::archive)?;
                    }
                }
                store::erasures::done(conn, user, context, &json!(counts), now).await?;
                let receipts = store::erasures::receipts(conn, user).await?;
                Ok::<_, PrivacyError>(receipts.iter().find(|one| one.context == context).map(ReceiptView::of))
            })
            .await
    }
}

/// Whether every context is done, but for one.
async fn all_done(conn: &mut AsyncPgConnection, erasure: &Erasure, but: &str) -> Result<bool, PrivacyError> {
    let receipts = store::erasures::receipts(conn, erasure.user_id).await?;
    let done = |context: &String| receipts.iter().any(|one| one.done && one.context == *context);
    Ok(erasure.contexts.iter().all(|context| context == but || done(context)))
}
