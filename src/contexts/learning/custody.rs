//! What learning knows of a person.

use diesel_async::AsyncPgConnection;

use super::{Learning, store};
use crate::{
    custody::{Answer, Custodian, Forgotten, Names, Sink},
    events::ConsumeError,
    principal::UserId,
};

impl Custodian for Learning {
    fn names(&self) -> Names {
        Names { context: "learning", eraser: "learning.erasure", exporter: "learning.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move {
            let known = store::privacy::known(conn, person).await?;
            let serde_json::Value::Object(known) = known else {
                return Err(ConsumeError::Reject("no object".into()));
            };
            for (name, body) in known {
                if body.as_array().is_some_and(|rows| !rows.is_empty()) {
                    sink.document(conn, &name.replace('_', "-"), body).await?;
                }
            }
            Ok(())
        })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            Ok(Forgotten {
                counts: self.forget_person(conn, person).await.map_err(|error| ConsumeError::of(&error))?,
                kept: &[
                    "places in courses and payments for them: the books rest on them",
                    "courses that were published: who is enrolled paid for them",
                ],
                ..Forgotten::default()
            })
        })
    }
}
