//! What the books know of a person. They are kept as the law wants them, under the person's bare id.

use diesel_async::AsyncPgConnection;

use super::Ledger;
use crate::{
    custody::{self, Answer, Custodian, Forgotten, Names, Sink},
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[
    ("accounts", "SELECT * FROM ledger.accounts WHERE owner_id = $1 ORDER BY id"),
    (
        "entries",
        "SELECT t.kind, t.created_at, e.* FROM ledger.entries e
         JOIN ledger.accounts a ON a.id = e.account_id JOIN ledger.transactions t ON t.id = e.transaction_id
         WHERE a.owner_id = $1 ORDER BY t.created_at, t.id, e.line",
    ),
    ("holds", "SELECT * FROM ledger.holds WHERE payer_id = $1 OR payee_id = $1 ORDER BY id"),
    ("payouts", "SELECT * FROM ledger.payouts WHERE user_id = $1 ORDER BY id"),
];

impl Custodian for Ledger {
    fn names(&self) -> Names {
        Names { context: "ledger", eraser: "ledger.erasure", exporter: "ledger.export" }
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
                kept: &[
                    "accounts, entries, holds and payouts: amounts under a pseudonym, as books must be kept",
                ],
                ..Forgotten::default()
            })
        })
    }
}
