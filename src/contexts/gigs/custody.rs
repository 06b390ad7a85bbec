//! What the marketplace knows of a person: to hand it out, and to forget it.

use diesel_async::AsyncPgConnection;
use serde_json::json;

use super::{Gigs, GigsError, service::withdraw_from_everything};
use crate::{
    custody::{self, Answer, Custodian, Forgotten, Names, Sink},
    error::Fault,
    events::{AfterCommit, ConsumeError},
    principal::UserId,
};

impl From<GigsError> for ConsumeError {
    fn from(error: GigsError) -> Self {
        match error {
            GigsError::Db(error) => Self::Db(error),
            other if other.kind().temporary() => Self::Retry(other.to_string()),
            other => Self::Reject(other.to_string()),
        }
    }
}

const KNOWN: &[(&str, &str)] = &[
    ("gigs", "SELECT * FROM gigs.gigs WHERE owner_id = $1 ORDER BY id"),
    ("applications", "SELECT * FROM gigs.applications WHERE student_id = $1 ORDER BY id"),
    ("contracts", "SELECT * FROM gigs.contracts WHERE client_id = $1 OR student_id = $1 ORDER BY id"),
    (
        "milestones",
        "SELECT m.* FROM gigs.milestones m JOIN gigs.contracts c ON c.id = m.contract_id
         WHERE c.client_id = $1 OR c.student_id = $1 ORDER BY m.id",
    ),
    (
        "payments",
        "SELECT p.id, p.milestone_id, p.provider, p.currency, p.state FROM gigs.payments p
         JOIN gigs.milestones m ON m.id = p.milestone_id JOIN gigs.contracts c ON c.id = m.contract_id
         WHERE c.client_id = $1 ORDER BY p.id",
    ),
    ("disputes", "SELECT * FROM gigs.disputes WHERE opened_by = $1 ORDER BY id"),
    ("reviews", "SELECT * FROM gigs.reviews WHERE author_id = $1 ORDER BY id"),
    (
        "reviews-of-you",
        "SELECT id, contract_id, rating, body, published_at FROM gigs.reviews
         WHERE subject_id = $1 AND published_at IS NOT NULL ORDER BY id",
    ),
    ("invitations", "SELECT * FROM gigs.invitations WHERE client_id = $1 OR student_id = $1 ORDER BY id"),
    ("saved-searches", "SELECT * FROM gigs.saved_searches WHERE user_id = $1 ORDER BY id"),
    ("history", "SELECT * FROM gigs.history WHERE actor_id = $1 ORDER BY at"),
];

/// Contracts stay: the books and the other side rest on them.
const GONE: &[(&str, &str)] = &[
    (
        "gigs",
        "UPDATE gigs.gigs SET title = 'Erased', description = '', questions = '[]', attachments = '[]'
         WHERE owner_id = $1",
    ),
    (
        "applications",
        "UPDATE gigs.applications SET proposal = 'Erased', answers = '[]' WHERE student_id = $1",
    ),
    (
        "milestone notes",
        "UPDATE gigs.milestones SET note = NULL WHERE note IS NOT NULL AND contract_id IN
            (SELECT id FROM gigs.contracts WHERE client_id = $1 OR student_id = $1)",
    ),
    (
        "payment secrets",
        "UPDATE gigs.payments SET client_secret = NULL WHERE client_secret IS NOT NULL AND milestone_id IN
            (SELECT m.id FROM gigs.milestones m JOIN gigs.contracts c ON c.id = m.contract_id WHERE c.client_id = $1)",
    ),
    ("disputes", "UPDATE gigs.disputes SET reason = 'Erased' WHERE opened_by = $1"),
    ("reviews", "UPDATE gigs.reviews SET body = '' WHERE author_id = $1 OR subject_id = $1"),
    ("invitations", "DELETE FROM gigs.invitations WHERE client_id = $1 OR student_id = $1"),
    ("saved searches", "DELETE FROM gigs.saved_searches WHERE user_id = $1"),
    (
        "history",
        "UPDATE gigs.history SET data = '{}' WHERE actor_id = $1
            OR entity_id IN (SELECT id FROM gigs.gigs WHERE owner_id = $1)
            OR entity_id IN (SELECT id FROM gigs.applications WHERE student_id = $1)
            OR entity_id IN (SELECT a.id FROM gigs.applications a JOIN gigs.gigs g ON g.id = a.gig_id
                             WHERE g.owner_id = $1)
            OR entity_id IN (SELECT id FROM gigs.contracts WHERE client_id = $1 OR student_id = $1)
            OR entity_id IN (SELECT m.id FROM gigs.milestones m JOIN gigs.contracts c ON c.id = m.contract_id
                             WHERE c.client_id = $1 OR c.student_id = $1)
            OR entity_id IN (SELECT id FROM gigs.disputes WHERE opened_by = $1)",
    ),
];

impl Custodian for Gigs {
    fn names(&self) -> Names {
        Names { context: "gigs", eraser: "gigs.erasure", exporter: "gigs.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        Box::pin(async move { Ok(custody::tables(conn, person, sink, KNOWN).await?) })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            // Words first: the steps tell others of them. Then once more: steps leave history.
            let mut counts = custody::run(conn, person, GONE).await?;
            let ended =
                withdraw_from_everything(conn, person, self.now(), json!({ "reason": "erased" })).await?;
            custody::run(conn, person, GONE).await?;
            if ended > 0 {
                counts.insert("steps taken", ended);
            }
            let gigs = self.clone();
            Ok(Forgotten {
                counts,
                kept: &[
                    "contracts, milestones and their amounts: the other side's, and the books'",
                    "a gig's title in the history of who applied for it",
                ],
                goes_on: false,
                after: AfterCommit::run(move || gigs.wake()),
            })
        })
    }
}
