//! Archives: asked for, gathered part by part, fetched.

use diesel_async::{AsyncConnection, AsyncPgConnection};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    contexts::{
        objects::DownloadView,
        privacy::{
            Privacy, PrivacyError,
            model::{Export, ExportId, ExportState},
            store,
            views::{self, ExportView},
        },
    },
    custody::{Answer, Gathering, Sink},
    error::FieldError,
    events::{self, AfterCommit, ConsumeError, Envelope, NewEvent},
    postgres::DbError,
    principal::{Principal, UserId},
};

const NONE: PrivacyError = PrivacyError::No("archive");

impl Privacy {
    /// Asks everybody for what they know of the caller. While one archive is made, that is the answer.
    ///
    /// # Errors
    /// The database's.
    pub async fn request_export(&self, who: &Principal, id: ExportId) -> Result<ExportView, PrivacyError> {
        let (now, contexts) = (self.now(), self.contexts());
        let mut conn = self.conn().await?;
        let contexts = &contexts;
        (*conn)
            .transaction(async |conn| {
                if store::exports::under_way(conn, who.user_id).await?.is_some() {
                    return Ok(());
                }
                let data = json!({ "user_id": who.user_id, "export_id": id });
                let event = NewEvent {
                    subject: "export.requested",
                    context: "privacy",
                    aggregate: id.to_string(),
                    version: 1,
                    data,
                };
                // The row first: whoever is slower finds it, and its event is void with it.
                if store::exports::begin(conn, id, who.user_id, contexts, Uuid::nil(), now).await? {
                    let event = events::record(conn, event).await?;
                    store::exports::asked(conn, id, event).await?;
                }
                Ok::<_, PrivacyError>(())
            })
            .await?;
        self.parts().metrics.exports.with_label_values(&["requested"]).inc();
        let now_is = store::exports::under_way(&mut conn, who.user_id).await?;
        let export = match now_is {
            Some(export) => export,
            // It was made in the meantime.
            None => store::exports::load(&mut conn, id).await?.ok_or(NONE)?,
        };
        view(&mut conn, &export).await
    }

    /// One's archives, the newest first.
    ///
    /// # Errors
    /// [`PrivacyError::Invalid`] for a foreign cursor.
    pub async fn exports(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<ExportView>, Option<String>), PrivacyError> {
        let list = format!("privacy.exports.{}", who.user_id);
        let before = cursor.map(|cursor| self.position(&list, cursor)).transpose()?;
        let mut conn = self.conn().await?;
        let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut found = store::exports::list(&mut conn, who.user_id, before, most).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|last| self.parts().signer.sign(&list, last.id.0.as_bytes(), None));
        let mut shown = Vec::with_capacity(found.len());
        for export in &found {
            shown.push(view(&mut conn, export).await?);
        }
        Ok((shown, next))
    }

    fn position(&self, list: &str, cursor: &str) -> Result<Uuid, PrivacyError> {
        let foreign =
            || PrivacyError::Invalid(vec![FieldError::new("?cursor", "is not a cursor of this list")]);
        let bytes = self.parts().signer.verify(list, cursor, self.now()).map_err(|_| foreign())?;
        Uuid::from_slice(&bytes).map_err(|_| foreign())
    }

    /// One's archive.
    ///
    /// # Errors
    /// [`PrivacyError::No`].
    pub async fn export(&self, who: &Principal, id: ExportId) -> Result<ExportView, PrivacyError> {
        let mut conn = self.conn().await?;
        let export = own(&mut conn, who, id).await?;
        view(&mut conn, &export).await
    }

    /// A link to the archive that lives for a while.
    ///
    /// # Errors
    /// [`PrivacyError::No`], [`PrivacyError::NotNow`].
    pub async fn fetch(&self, who: &Principal, id: ExportId) -> Result<DownloadView, PrivacyError> {
        let export = own(&mut *self.conn().await?, who, id).await?;
        match (export.state, export.object_id) {
            (ExportState::Ready, Some(object)) => Ok(self.parts().uploads.link(object).await?),
            (ExportState::Expired, _) => {
                Err(PrivacyError::NotNow("the archive has expired: ask for another one"))
            }
            _ => Err(PrivacyError::NotNow("the archive is still being made")),
        }
    }

    /// Removes an archive before its time, or stops making it.
    ///
    /// # Errors
    /// [`PrivacyError::No`].
    pub async fn drop_export(&self, who: &Principal, id: ExportId) -> Result<(), PrivacyError> {
        let export = own(&mut *self.conn().await?, who, id).await?;
        self.discard(&export).await
    }

    pub(super) async fn discard(&self, export: &Export) -> Result<(), PrivacyError> {
        // The bytes first: should it end here, the row is still due, and what is gone may go again.
        if let Some(object) = export.object_id {
            self.parts().uploads.discard(object).await?;
        }
        store::exports::expire(&mut *self.conn().await?, export.id, self.now()).await?;
        self.parts().metrics.exports.with_label_values(&["expired"]).inc();
        Ok(())
    }
}

async fn own(conn: &mut AsyncPgConnection, who: &Principal, id: ExportId) -> Result<Export, PrivacyError> {
    let found = store::exports::load(conn, id).await?;
    found.filter(|export| export.user_id == who.user_id).ok_or(NONE)
}

async fn view(conn: &mut AsyncPgConnection, export: &Export) -> Result<ExportView, PrivacyError> {
    let parts = store::exports::parts(conn, export.id).await?;
    let open = match export.state {
        ExportState::Gathering => events::unhandled(conn, export.event_id).await?,
        _ => Vec::new(),
    };
    let standing =
        |context: &str| views::waiting(open.iter().find(|one| one.consumer == format!("{context}.export")));
    Ok(ExportView::of(export, &parts, standing))
}

/// The part of one context, in the export's transaction.
struct PartSink {
    export: ExportId,
    context: &'static str,
}

impl Sink for PartSink {
    fn document<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        name: &'a str,
        body: Value,
    ) -> BoxFuture<'a, Result<(), DbError>> {
        Box::pin(async move {
            let name = format!("{}/{name}.json", self.context);
            store::exports::put(conn, self.export, &name, Some(body), None).await
        })
    }

    fn file<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        name: &'a str,
        upload: Uuid,
    ) -> BoxFuture<'a, Result<(), DbError>> {
        Box::pin(async move {
            let name = format!("{}/files/{name}", self.context);
            store::exports::put(conn, self.export, &name, None, Some(upload)).await
        })
    }
}

fn export_id(event: &Envelope) -> Result<ExportId, ConsumeError> {
    let id = event.data.get("export_id").and_then(Value::as_str).and_then(|text| text.parse().ok());
    id.map(ExportId).ok_or_else(|| ConsumeError::Reject("it names no archive".into()))
}

impl Gathering for Privacy {
    fn begin<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
        context: &'static str,
    ) -> Answer<'a, Option<Box<dyn Sink>>> {
        Box::pin(async move {
            let id = export_id(event)?;
            let export = store::exports::load(conn, id).await?;
            let wanted = export.is_some_and(|export| export.state == ExportState::Gathering);
            Ok(wanted.then(|| Box::new(PartSink { export: id, context }) as Box<dyn Sink>))
        })
    }

    fn gathered<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
        context: &'static str,
    ) -> Answer<'a, AfterCommit> {
        Box::pin(async move {
            let (id, now) = (export_id(event)?, self.now());
            // Under its lock: the last of several parts sees all the others.
            let Some(export) = store::exports::gathering(conn, id).await? else {
                return Ok(AfterCommit::nothing());
            };
            store::exports::part(conn, id, context, now).await?;
            let whole = store::exports::pack(conn, id, now).await?;
            let privacy = self.clone();
            Ok(AfterCommit::run(move || {
                privacy.show_export(
                    export.user_id,
                    id,
                    if whole { "packing" } else { "gathering" },
                    Some(context),
                );
                if whole {
                    privacy.inner.work.notify_one();
                }
            }))
        })
    }
}

impl Privacy {
    pub(super) fn show_export(&self, person: UserId, id: ExportId, state: &str, context: Option<&str>) {
        self.show(
            person,
            &json!({ "type": "export_changed", "export_id": id, "state": state, "context": context }),
        );
    }
}
