//! What discovery knows of a person: what they did with results, what fits them, and their own documents.

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{Discovery, model::Kind, store};
use crate::{
    custody::{self, Answer, Counts, Custodian, Forgotten, Names, Sink},
    events::AfterCommit,
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[
    ("skills-to-match", "SELECT skills, busy, updated_at FROM discovery.seekers WHERE user_id = $1"),
    ("matches", "SELECT * FROM discovery.matches WHERE user_id = $1"),
    ("feedback", "SELECT * FROM discovery.feedback WHERE user_id = $1"),
];

const GONE: &[(&str, &str)] = &[
    ("skills to match", "DELETE FROM discovery.seekers WHERE user_id = $1"),
    ("matches", "DELETE FROM discovery.matches WHERE user_id = $1"),
    (
        "feedback",
        "DELETE FROM discovery.feedback WHERE user_id = $1 OR (kind IN ('person', 'mentor') AND id = $1)",
    ),
];

#[derive(QueryableByName)]
struct Standing {
    /// Documents that the indexes are behind with.
    #[diesel(sql_type = BigInt)]
    behind: i64,
    /// Documents that the indexes hold.
    #[diesel(sql_type = BigInt)]
    shown: i64,
}

impl Discovery {
    /// The truth knows the person no more, so both documents are withdrawn when they are looked at again.
    async fn look_again(
        &self,
        conn: &mut AsyncPgConnection,
        person: UserId,
    ) -> Result<(), crate::postgres::DbError> {
        let now = self.now();
        store::documents::touch(conn, Kind::Person, person.0, now).await?;
        store::documents::touch(conn, Kind::Mentor, person.0, now).await?;
        Ok(())
    }
}

impl Custodian for Discovery {
    fn names(&self) -> Names {
        Names { context: "discovery", eraser: "discovery.erase", exporter: "discovery.export" }
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
            let counts = custody::run(conn, person, GONE).await?;
            self.look_again(conn, person).await?;
            let discovery = self.clone();
            Ok(Forgotten {
                counts,
                kept: &["that the bare id is in no index"],
                goes_on: true,
                after: AfterCommit::run(move || {
                    discovery.inner.indexing.notify_one();
                    tokio::spawn(async move { discovery.forget_people(&[person.0]).await });
                }),
            })
        })
    }

    /// Both indexes have let the person's documents go. One that was written again, because whoever keeps the
    /// truth had not forgotten yet, is looked at once more.
    fn finish<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Option<Counts>> {
        Box::pin(async move {
            let now: Standing = diesel::sql_query(
                "SELECT count(*) FILTER (WHERE text_done < stamp OR vector_done < stamp) AS behind,
                        count(*) FILTER (WHERE shown) AS shown
                 FROM discovery.documents WHERE kind IN ('person', 'mentor') AND id = $1",
            )
            .bind::<SqlUuid, _>(person)
            .get_result(conn)
            .await?;
            if now.behind == 0 && now.shown > 0 {
                self.look_again(conn, person).await?;
            }
            Ok((now.behind == 0 && now.shown == 0).then(Counts::new))
        })
    }

    fn settle<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, ()> {
        Box::pin(async move {
            custody::run(conn, person, GONE).await?;
            Ok(())
        })
    }
}
