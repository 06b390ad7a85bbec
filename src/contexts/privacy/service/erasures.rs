//! Receipts of what was answer.

use std::collections::BTreeMap;

use diesel_async::AsyncPgConnection;
use serde_json::json;

use crate::{
    contexts::privacy::{
        Privacy, PrivacyError,
        model::Erasure,
        store,
        views::{self, ErasureView, OpenErasureView, ReceiptView},
    },
    custody::{Answer, Answered, Receipts},
    events::{self, AfterCommit, Envelope, Standing},
    principal::{Principal, UserId},
};

impl Privacy {
    /// How far it is with the caller's erasure.
    ///
    /// # Errors
    /// [`PrivacyError::No`] when there is none.
    pub async fn erasure(&self, who: &Principal) -> Result<ErasureView, PrivacyError> {
        let mut conn = self.conn().await?;
        let found = store::erasures::load(&mut conn, who.user_id).await?;
        let erasure = found.ok_or(PrivacyError::No("erasure"))?;
        let open = standing(&mut conn, &erasure).await?;
        self.view(&mut conn, &erasure, &open).await
    }

    /// Erasures that are not complete, with what keeps them, for operators.
    ///
    /// # Errors
    /// The database's.
    pub async fn open_erasures(&self) -> Result<Vec<OpenErasureView>, PrivacyError> {
        let mut conn = self.conn().await?;
        let mut shown = Vec::new();
        for erasure in store::erasures::open(&mut conn).await? {
            let open = standing(&mut conn, &erasure).await?;
            let errors: BTreeMap<String, String> =
                open.iter().filter_map(|one| Some((one.consumer.clone(), one.error.clone()?))).collect();
            shown.push(OpenErasureView { erasure: self.view(&mut conn, &erasure, &open).await?, errors });
        }
        Ok(shown)
    }

    async fn view(
        &self,
        conn: &mut AsyncPgConnection,
        erasure: &Erasure,
        open: &[Standing],
    ) -> Result<ErasureView, PrivacyError> {
        let receipts = store::erasures::receipts(conn, erasure.user_id).await?;
        let erasers: BTreeMap<&str, &str> =
            self.custodians().iter().map(|one| (one.names().context, one.names().eraser)).collect();
        Ok(ErasureView::of(erasure, &receipts, |context| {
            let consumer = erasers.get(context);
            views::waiting(open.iter().find(|one| consumer.is_some_and(|name| one.consumer == **name)))
        }))
    }

    pub(super) fn show_receipt(&self, person: UserId, receipt: &ReceiptView) {
        let state = receipt.state;
        self.parts().metrics.receipts.with_label_values(&[receipt.context.as_str(), state]).inc();
        self.show(
            person,
            &json!({
                "type": "erasure_receipt", "context": receipt.context, "state": state, "counts": receipt.counts,
                "kept": receipt.kept, "at": receipt.at,
            }),
        );
    }
}

async fn standing(conn: &mut AsyncPgConnection, erasure: &Erasure) -> Result<Vec<Standing>, PrivacyError> {
    if erasure.completed_at.is_some() {
        return Ok(Vec::new());
    }
    Ok(events::unhandled(conn, erasure.event_id).await?)
}

impl Receipts for Privacy {
    fn answered<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        event: &'a Envelope,
        person: UserId,
        context: &'static str,
        answer: Answered,
    ) -> Answer<'a, AfterCommit> {
        Box::pin(async move {
            let now = self.now();
            store::erasures::begin(conn, person, &self.contexts(), event.id, event.time).await?;
            let counts = json!(answer.counts);
            let done = !answer.goes_on;
            store::erasures::answered(conn, person, context, done, &counts, answer.kept, now).await?;
            let receipt = ReceiptView {
                context: context.to_owned(),
                state: if done { "done" } else { "working" },
                counts: answer.counts.iter().map(|(what, n)| ((*what).to_owned(), *n)).collect(),
                kept: answer.kept.iter().map(|text| (*text).to_owned()).collect(),
                at: Some(now),
            };
            let privacy = self.clone();
            Ok(AfterCommit::run(move || {
                privacy.show_receipt(person, &receipt);
                privacy.inner.work.notify_one();
            }))
        })
    }
}
