//! What this context itself knows of a person: their archives.

use diesel_async::AsyncPgConnection;

use super::{Privacy, store};
use crate::{
    custody::{Answer, Counts, Custodian, Forgotten, Names, Sink},
    principal::UserId,
};

impl Custodian for Privacy {
    fn names(&self) -> Names {
        Names { context: "privacy", eraser: "privacy.erasure", exporter: "privacy.export" }
    }

    fn gather<'a>(&'a self, _: &'a mut AsyncPgConnection, _: UserId, _: &'a dyn Sink) -> Answer<'a, ()> {
        // Archives are not put into archives.
        Box::pin(async { Ok(()) })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            let gone = store::exports::forget(conn, person).await?;
            Ok(Forgotten {
                counts: [("archives", gone)].into_iter().filter(|(_, n)| *n > 0).collect::<Counts>(),
                kept: &["that the bare id was erased, and these receipts"],
                ..Forgotten::default()
            })
        })
    }
}
