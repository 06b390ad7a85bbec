//! The stream in MongoDB: the collection `activity`.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use futures_util::TryStreamExt;
use mongodb::{
    Collection, IndexModel,
    bson::{self, Binary, Bson, doc, spec::BinarySubtype},
    options::IndexOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{ActivityStream, Answer};
use crate::{
    contexts::activity::{ActivityError, Entry, Object},
    ports::mongo::{Mongo, MongoError, Promise},
    principal::UserId,
};

const NAME: &str = "activity";

/// The stream in MongoDB.
#[derive(Clone)]
pub struct MongoActivity {
    mongo: Mongo,
    ready: Arc<OnceCell<Collection<EntryDoc>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct EntryDoc {
    #[serde(rename = "_id")]
    id: bson::Uuid,
    actor: bson::Uuid,
    verb: String,
    object_kind: String,
    object: bson::Uuid,
    public: bool,
    data: Value,
    at: bson::DateTime,
}

fn of(uuid: Uuid) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Uuid, bytes: uuid.as_bytes().to_vec() })
}

impl From<&Entry> for EntryDoc {
    fn from(entry: &Entry) -> Self {
        let id = |uuid: Uuid| bson::Uuid::from_bytes(uuid.into_bytes());
        Self {
            id: id(entry.id),
            actor: id(entry.actor_id.0),
            verb: entry.verb.clone(),
            object_kind: entry.object.kind.clone(),
            object: id(entry.object.id),
            public: entry.public,
            data: entry.data.clone(),
            at: bson::DateTime::from_millis(entry.at.timestamp_millis()),
        }
    }
}

impl TryFrom<EntryDoc> for Entry {
    type Error = ActivityError;

    fn try_from(found: EntryDoc) -> Result<Self, ActivityError> {
        let uuid = |id: bson::Uuid| Uuid::from_bytes(id.bytes());
        Ok(Self {
            id: uuid(found.id),
            actor_id: UserId(uuid(found.actor)),
            verb: found.verb,
            object: Object { kind: found.object_kind, id: uuid(found.object) },
            public: found.public,
            data: found.data,
            at: DateTime::from_timestamp_millis(found.at.timestamp_millis()).ok_or(ActivityError::Corrupt)?,
        })
    }
}

impl MongoActivity {
    /// In that deployment. The collection is made with the first use, or by [`MongoActivity::provision`].
    pub fn new(mongo: Mongo) -> Self {
        Self { mongo, ready: Arc::default() }
    }

    /// Makes the collection's indexes; the collection comes with them.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn provision(&self) -> Result<(), MongoError> {
        self.entries().await.map(|_| ())
    }

    async fn entries(&self) -> Result<&Collection<EntryDoc>, MongoError> {
        self.ready
            .get_or_try_init(|| async {
                let topology = self.mongo.topology().await?;
                let entries: Collection<EntryDoc> = self.mongo.collection(NAME, topology, Promise::Durable);
                let index = |name: &str, keys| {
                    let options = IndexOptions::builder().name(name.to_owned()).build();
                    IndexModel::builder().keys(keys).options(options).build()
                };
                let indexes = [
                    index("actor_id", doc! { "actor": 1, "_id": -1 }),
                    index("object", doc! { "object": 1 }),
                    index("at", doc! { "at": 1 }),
                ];
                for index in indexes {
                    self.mongo.run(async { entries.create_index(index).await }).await?;
                }
                Ok(entries)
            })
            .await
    }
}

impl ActivityStream for MongoActivity {
    fn append<'a>(&'a self, _: &'a mut AsyncPgConnection, new: &'a [Entry]) -> Answer<'a, ()> {
        Box::pin(async move {
            if new.is_empty() {
                return Ok(());
            }
            let at = self.entries().await?;
            let new: Vec<EntryDoc> = new.iter().map(EntryDoc::from).collect();
            match self.mongo.run(async { at.insert_many(&new).ordered(false).await }).await {
                Ok(_) | Err(MongoError::Duplicate) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn of<'a>(
        &'a self,
        people: &'a [UserId],
        public_only: bool,
        before: Option<Uuid>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let at = self.entries().await?;
            let people: Vec<Bson> = people.iter().map(|person| of(person.0)).collect();
            let mut filter = doc! { "actor": { "$in": people } };
            if public_only {
                filter.insert("public", true);
            }
            if let Some(before) = before {
                filter.insert("_id", doc! { "$lt": of(before) });
            }
            let found: Vec<EntryDoc> = self
                .mongo
                .run(async {
                    let most = i64::try_from(limit).unwrap_or(i64::MAX);
                    at.find(filter).sort(doc! { "_id": -1 }).limit(most).await?.try_collect().await
                })
                .await?;
            found.into_iter().map(Entry::try_from).collect()
        })
    }

    fn followed<'a>(
        &'a self,
        people: &'a [UserId],
        skills: &'a [String],
        not: &'a [UserId],
        before: Option<Uuid>,
        limit: usize,
    ) -> Answer<'a, Vec<Entry>> {
        Box::pin(async move {
            let at = self.entries().await?;
            let ids = |people: &[UserId]| people.iter().map(|person| of(person.0)).collect::<Vec<Bson>>();
            let mut filter = doc! {
                "public": true,
                "$or": [{ "actor": { "$in": ids(people) } }, { "data.skills": { "$in": skills } }],
                "actor": { "$nin": ids(not) },
            };
            if let Some(before) = before {
                filter.insert("_id", doc! { "$lt": of(before) });
            }
            let found: Vec<EntryDoc> = self
                .mongo
                .run(async {
                    let most = i64::try_from(limit).unwrap_or(i64::MAX);
                    at.find(filter).sort(doc! { "_id": -1 }).limit(most).await?.try_collect().await
                })
                .await?;
            found.into_iter().map(Entry::try_from).collect()
        })
    }

    fn erase<'a>(&'a self, _: &'a mut AsyncPgConnection, person: UserId) -> Answer<'a, u64> {
        Box::pin(async move {
            let at = self.entries().await?;
            let mut gone = 0;
            for theirs in
                [doc! { "actor": of(person.0) }, doc! { "object": of(person.0), "object_kind": "person" }]
            {
                gone += self.mongo.run(async { at.delete_many(theirs).await }).await?.deleted_count;
            }
            Ok(gone)
        })
    }

    fn expire(&self, before: DateTime<Utc>) -> Answer<'_, u64> {
        Box::pin(async move {
            let at = self.entries().await?;
            let old = doc! { "at": { "$lt": bson::DateTime::from_millis(before.timestamp_millis()) } };
            Ok(self.mongo.run(async { at.delete_many(old).await }).await?.deleted_count)
        })
    }
}
