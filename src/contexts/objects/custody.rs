//! What is kept of a person's files.

use diesel::{
    QueryableByName,
    sql_types::{Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{UploadError, Uploads, store};
use crate::{
    custody::{self, Answer, Counts, Custodian, Forgotten, Names, Sink},
    events::{AfterCommit, ConsumeError},
    principal::UserId,
};

const KNOWN: &[(&str, &str)] = &[(
    "uploads",
    "SELECT id, name, media_type, size, encode(sha256, 'hex') AS sha256, state, created_at
     FROM objects.uploads WHERE owner_id = $1 AND state <> 'deleted' ORDER BY id",
)];

fn later(error: &UploadError) -> ConsumeError {
    ConsumeError::Retry(error.to_string())
}

impl Custodian for Uploads {
    fn names(&self) -> Names {
        Names { context: "objects", eraser: "objects.erasure", exporter: "objects.export" }
    }

    fn gather<'a>(
        &'a self,
        conn: &'a mut AsyncPgConnection,
        person: UserId,
        sink: &'a dyn Sink,
    ) -> Answer<'a, ()> {
        #[derive(QueryableByName)]
        struct File {
            #[diesel(sql_type = SqlUuid)]
            id: uuid::Uuid,
            #[diesel(sql_type = Text)]
            name: String,
        }
        Box::pin(async move {
            custody::tables(conn, person, sink, KNOWN).await?;
            // Archives are not put into archives.
            let files: Vec<File> = diesel::sql_query(
                "SELECT id, name FROM objects.uploads u WHERE owner_id = $1 AND state = 'ready' AND NOT EXISTS (
                    SELECT FROM objects.holds h WHERE h.upload_id = u.id AND h.holder LIKE 'export:%') ORDER BY id",
            )
            .bind::<SqlUuid, _>(person)
            .load(conn)
            .await?;
            for file in files {
                sink.file(conn, &format!("{}/{}", file.id, file.name), file.id).await?;
            }
            Ok(())
        })
    }

    fn forget<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Forgotten> {
        Box::pin(async move {
            let gone = store::forget(conn, person, self.now())
                .await
                .map_err(|error| later(&UploadError::from(error)))?;
            let uploads = self.clone();
            Ok(Forgotten {
                counts: [("files", gone)].into_iter().filter(|(_, n)| *n > 0).collect(),
                goes_on: true,
                after: AfterCommit::run(move || uploads.inner.work.notify_one()),
                ..Forgotten::default()
            })
        })
    }

    /// The bytes are gone.
    fn finish<'a>(&'a self, conn: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, Option<Counts>> {
        Box::pin(async move {
            // What became ready since, such as an archive that was being made.
            store::forget(conn, person, self.now()).await?;
            let left = store::to_purge_of(conn, person).await?;
            Ok((left == 0).then(Counts::new))
        })
    }
}
