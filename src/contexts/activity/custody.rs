//! What the stream knows of a person.

use diesel_async::AsyncPgConnection;

use super::{Activity, consumer::refused};
use crate::{
    custody::{Answer, Custodian, Forgotten, Names, Sink},
    events::ConsumeError,
    principal::UserId,
};

/// Entries in one document.
const PAGE: usize = 1_000;

impl Custodian for Activity {
    fn names(&self) -> Names {
        Names { context: "activity", eraser: "activity.erasure", exporter: "activity.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let mut before = None;
            for page in 1.. {
                let found = self.stream.of(&[person], false, before, PAGE).await.map_err(refused)?;
                let Some(last) = found.last() else { break };
                before = Some(last.id);
                let body =
                    serde_json::to_value(&found).map_err(|error| ConsumeError::Reject(error.to_string()))?;
                sink.document(conn, &format!("entries-{page:04}"), body).await?;
            }
            Ok(())
        })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            let gone = self.stream.erase(conn, person).await.map_err(refused)?;
            Ok(Forgotten {
                counts: [("entries", gone)].into_iter().filter(|(_, n)| *n > 0).collect(),
                ..Forgotten::default()
            })
        })
    }
}
