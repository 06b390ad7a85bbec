//! What gamification knows of a person.

use diesel_async::AsyncPgConnection;

use super::{Gamification, consumers::refused};
use crate::{
    custody::{self, Answer, Custodian, Forgotten, Names, Sink},
    events::AfterCommit,
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[
    ("member", "SELECT * FROM gamification.members WHERE user_id = $1"),
    ("points", "SELECT * FROM gamification.ledger WHERE user_id = $1"),
    ("facts", "SELECT * FROM gamification.facts WHERE user_id = $1"),
    ("active-days", "SELECT * FROM gamification.active_days WHERE user_id = $1"),
    ("badges", "SELECT * FROM gamification.badge_awards WHERE user_id = $1"),
    ("leagues", "SELECT * FROM gamification.league_members WHERE user_id = $1"),
];

impl Custodian for Gamification {
    fn names(&self) -> Names {
        Names { context: "gamification", eraser: "gamification.erasure", exporter: "gamification.export" }
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
            let gone = self.erase(conn, person).await.map_err(refused)?;
            let game = self.clone();
            Ok(Forgotten {
                counts: [("facts, days, badges", gone)].into_iter().filter(|(_, n)| *n > 0).collect(),
                kept: &["the ledger of points, without a name: others' ranks rest on it"],
                goes_on: false,
                after: AfterCommit::run(move || game.awarded()),
            })
        })
    }
}
