//! What people do with results.

use std::collections::BTreeMap;

use diesel_async::AsyncConnection;
use serde_json::json;

use crate::{
    contexts::discovery::{
        Deed, Discovery, DiscoveryError, FeedbackForm,
        events::{APPLIED, CONTEXT, DISMISSED, OPENED, SHOWN},
        model::Key,
        store,
        views::FeedbackView,
    },
    error::FieldError,
    events::{NewEvent, record},
    principal::Principal,
};

impl Discovery {
    /// Notes what somebody did, each once, and tells of what is new as events.
    ///
    /// # Errors
    /// [`DiscoveryError::Invalid`] for nothing or more than 100.
    pub async fn take_feedback(
        &self,
        who: &Principal,
        form: &FeedbackForm,
    ) -> Result<FeedbackView, DiscoveryError> {
        if form.items.is_empty() || form.items.len() > 100 {
            return Err(DiscoveryError::Invalid(vec![FieldError::new("/items", "takes 1 to 100")]));
        }
        let mut by_deed: BTreeMap<Deed, Vec<Key>> = BTreeMap::new();
        for item in &form.items {
            by_deed.entry(item.deed).or_default().push((item.kind, item.id));
        }
        let now = self.now();
        let me = who.user_id;
        let by_deed = &by_deed;
        let mut conn = self.conn().await?;
        let noted = (*conn)
            .transaction(async |conn| {
                let mut noted = Vec::new();
                for (deed, items) in by_deed {
                    let new = store::feedback::note(conn, me.0, *deed, items, now).await?;
                    if new.is_empty() {
                        continue;
                    }
                    let items: Vec<_> =
                        new.iter().map(|(kind, id)| json!({ "kind": kind, "id": id })).collect();
                    let event = NewEvent {
                        subject: subject(*deed),
                        context: CONTEXT,
                        aggregate: me.to_string(),
                        version: 1,
                        data: json!({ "user_id": me, "items": items, "at": now }),
                    };
                    record(conn, event).await?;
                    noted.push((*deed, new.len()));
                }
                Ok::<_, DiscoveryError>(noted)
            })
            .await?;
        drop(conn);
        for (deed, count) in &noted {
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            self.parts().metrics.feedback.with_label_values(&[deed.as_str()]).inc_by(count);
        }
        // Before the answer: who dismissed something does not see it again.
        if noted.iter().any(|(deed, _)| matches!(deed, Deed::Dismissed | Deed::Applied)) {
            self.forget_people(&[me.0]).await;
        }
        Ok(FeedbackView { noted: noted.into_iter().map(|(_, count)| count).sum() })
    }
}

fn subject(deed: Deed) -> &'static str {
    match deed {
        Deed::Shown => SHOWN,
        Deed::Opened => OPENED,
        Deed::Applied => APPLIED,
        Deed::Dismissed => DISMISSED,
    }
}
