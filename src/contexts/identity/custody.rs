//! What identity knows of a person. It forgets when the account's time has come, in the transaction that asks
//! everybody else to; what is left for this receipt is to say so.

use diesel_async::AsyncPgConnection;

use super::Identity;
use crate::{
    custody::{self, Answer, Custodian, Forgotten, Names, Sink},
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[
    (
        "account",
        "SELECT id, email, email_verified_at, display_name, headline, bio, time_zone, roles, created_at,
                deletion_due_at FROM identity.users WHERE id = $1",
    ),
    (
        "sessions",
        "SELECT id, device, address, created_at, last_seen_at, expires_at
         FROM identity.sessions WHERE user_id = $1 ORDER BY id",
    ),
];

impl Custodian for Identity {
    fn names(&self) -> Names {
        Names { context: "identity", eraser: "identity.erasure", exporter: "identity.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move { Ok(custody::tables(conn, person, sink, KNOWN).await?) })
    }

    fn forget<'a>(&'a self, _: &'a mut AsyncPgConnection, _: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async {
            Ok(Forgotten {
                counts: [("accounts", 1)].into(),
                kept: &["the account's bare id, which others' records refer to and which leads to nobody"],
                ..Forgotten::default()
            })
        })
    }
}
