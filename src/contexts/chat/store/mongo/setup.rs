//! The collections and their indexes.

use futures_util::TryStreamExt;
use mongodb::{
    Collection, IndexModel,
    bson::{Document, doc},
    options::{CreateCollectionOptions, IndexOptions},
};

use super::{Collections, MongoLog};
use crate::{
    contexts::chat::store::StoreError,
    ports::mongo::{MongoError, Promise},
    telemetry::log,
};

const ROOMS: &str = "rooms";
const EVENTS: &str = "events";
const TAIL: &str = "tail";
const MESSAGES: &str = "messages";

struct Index {
    collection: &'static str,
    name: &'static str,
    keys: fn() -> Document,
    unique: bool,
    /// Only documents like this are in it.
    only: Option<fn() -> Document>,
}

const INDEXES: &[Index] = &[
    // What makes a log gapless: a place is claimed once.
    Index {
        collection: EVENTS,
        name: "room_first",
        keys: || doc! { "room": 1, "first": 1 },
        unique: true,
        only: None,
    },
    Index {
        collection: EVENTS,
        name: "room_last",
        keys: || doc! { "room": 1, "last": 1 },
        unique: false,
        only: None,
    },
    // (room, sender, client_msg_id), of every event in every batch.
    Index {
        collection: EVENTS,
        name: "room_key",
        keys: || doc! { "room": 1, "events.key": 1 },
        unique: true,
        only: None,
    },
    Index {
        collection: TAIL,
        name: "room_last",
        keys: || doc! { "room": 1, "last": 1 },
        unique: false,
        only: None,
    },
    Index {
        collection: MESSAGES,
        name: "room_seq",
        keys: || doc! { "room": 1, "seq": 1 },
        unique: true,
        only: None,
    },
    // What somebody wrote, for exports and erasures.
    Index {
        collection: MESSAGES,
        name: "sender",
        keys: || doc! { "sender": 1, "room": 1, "seq": 1 },
        unique: false,
        only: None,
    },
    Index {
        collection: MESSAGES,
        name: "room_words",
        keys: || doc! { "room": 1, "words": 1, "seq": 1 },
        unique: false,
        only: None,
    },
    Index {
        collection: MESSAGES,
        name: "room_mentions",
        keys: || doc! { "room": 1, "mentions": 1, "seq": 1 },
        unique: false,
        only: None,
    },
    Index {
        collection: MESSAGES,
        name: "room_thread",
        keys: || doc! { "room": 1, "thread": 1, "seq": 1 },
        unique: false,
        only: Some(|| doc! { "thread": { "$exists": true } }),
    },
    Index {
        collection: MESSAGES,
        name: "room_pinned",
        keys: || doc! { "room": 1, "pinned": 1 },
        unique: false,
        only: Some(|| doc! { "pinned": { "$exists": true } }),
    },
    Index {
        collection: MESSAGES,
        name: "room_deleted",
        keys: || doc! { "room": 1, "seq": 1, "live": 1 },
        unique: false,
        only: Some(|| doc! { "live": false }),
    },
];

/// What a batch has to look like, for whoever writes by hand.
fn batch_schema() -> Document {
    doc! { "$jsonSchema": {
        "bsonType": "object",
        "required": ["_id", "room", "first", "last", "events"],
        "properties": {
            "room": { "bsonType": "binData" },
            "first": { "bsonType": ["long", "int"], "minimum": 1 },
            "last": { "bsonType": ["long", "int"], "minimum": 1 },
            "events": { "bsonType": "array", "items": {
                "bsonType": "object",
                "required": ["seq", "kind", "id", "sender", "key", "data", "at", "correlation"],
            } },
        },
    } }
}

impl MongoLog {
    /// The collections, made if they are not there.
    pub(super) async fn collections(&self) -> Result<&Collections, StoreError> {
        let ready = self.inner.ready.get_or_try_init(|| async {
            self.make().await?;
            let topology = self.inner.mongo.topology().await?;
            let mongo = &self.inner.mongo;
            Ok::<_, MongoError>(Collections {
                rooms: mongo.collection(ROOMS, topology, Promise::Durable),
                events: mongo.collection(EVENTS, topology, Promise::Durable),
                tail: mongo.collection(TAIL, topology, Promise::Fast),
                messages: mongo.collection(MESSAGES, topology, Promise::Fast),
            })
        });
        Ok(ready.await?)
    }

    /// Makes what is missing, and the tail anew where it has another size. Answers what was made.
    ///
    /// # Errors
    /// When the server does not answer, or refuses.
    pub async fn provision(&self) -> Result<Vec<String>, MongoError> {
        let mut made = self.make().await?;
        if let Some(other) = self.other_tail().await? {
            self.renew_tail().await?;
            made.push(format!("collection {TAIL} anew ({other})"));
        }
        Ok(made)
    }

    async fn make(&self) -> Result<Vec<String>, MongoError> {
        let there = self.names().await?;
        let mut made = Vec::new();
        for name in [ROOMS, EVENTS, TAIL, MESSAGES] {
            if !there.iter().any(|known| known == name) && self.create(name).await? {
                made.push(format!("collection {name}"));
            }
        }
        for index in INDEXES {
            self.index(index).await?;
        }
        Ok(made)
    }

    async fn names(&self) -> Result<Vec<String>, MongoError> {
        self.inner.mongo.run(async { self.inner.mongo.database().list_collection_names().await }).await
    }

    /// Answers whether it was made now.
    async fn create(&self, name: &str) -> Result<bool, MongoError> {
        let mut options = CreateCollectionOptions::default();
        if name == TAIL {
            options.capped = Some(true);
            options.size = Some(self.inner.tail.bytes);
        }
        if name == EVENTS {
            options.validator = Some(batch_schema());
        }
        let create = async |options: CreateCollectionOptions| {
            let database = self.inner.mongo.database();
            self.inner.mongo.run(async { database.create_collection(name).with_options(options).await }).await
        };
        match create(options.clone()).await {
            Ok(()) => return Ok(true),
            Err(MongoError::Unavailable(cause)) => return Err(MongoError::Unavailable(cause)),
            Err(error) => {
                // Another node's, a moment ago.
                if self.names().await?.iter().any(|known| known == name) {
                    return Ok(false);
                }
                if options.validator.take().is_none() {
                    return Err(error);
                }
                slog::warn!(log(), "this server checks no schemas; batches are not checked";
                    "error" => error.reason());
            }
        }
        create(options).await.map(|()| true)
    }

    async fn index(&self, index: &Index) -> Result<(), MongoError> {
        let unique = index.unique.then_some(true);
        let only = index.only.map(|like| like());
        let options = IndexOptions::builder()
            .name(index.name.to_owned())
            .unique(unique)
            .partial_filter_expression(only)
            .build();
        let model = IndexModel::builder().keys((index.keys)()).options(options).build();
        let collection: Collection<Document> = self.inner.mongo.database().collection(index.collection);
        self.inner.mongo.run(async { collection.create_index(model).await }).await.map(|_| ())
    }

    /// Begins the tail anew: what it held is in `events`.
    pub(super) async fn renew_tail(&self) -> Result<(), MongoError> {
        let tail: Collection<Document> = self.inner.mongo.database().collection(TAIL);
        self.inner.mongo.run(async { tail.drop().await }).await?;
        self.create(TAIL).await?;
        for index in INDEXES.iter().filter(|index| index.collection == TAIL) {
            self.index(index).await?;
        }
        Ok(())
    }

    /// What is wrong with the tail's size, if anything.
    async fn other_tail(&self) -> Result<Option<String>, MongoError> {
        let found: Vec<_> = self
            .inner
            .mongo
            .run(async {
                let database = self.inner.mongo.database();
                database.list_collections().filter(doc! { "name": TAIL }).await?.try_collect().await
            })
            .await?;
        let Some(tail) = found.first() else { return Ok(None) };
        let want = self.inner.tail.bytes;
        Ok(match (tail.options.capped, tail.options.size) {
            (Some(true), Some(size)) if size == want => None,
            (Some(true), size) => Some(format!("{} bytes instead of {want}", size.unwrap_or_default())),
            _ => Some("it was not capped".into()),
        })
    }

    /// What `gigsy migrate` would make.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn missing(&self) -> Result<Vec<String>, MongoError> {
        let there = self.names().await?;
        let mut missing = Vec::new();
        for name in [ROOMS, EVENTS, TAIL, MESSAGES] {
            if !there.iter().any(|known| known == name) {
                missing.push(format!("collection {name} is missing"));
                continue;
            }
            let collection: Collection<Document> = self.inner.mongo.database().collection(name);
            let indexes = self.inner.mongo.run(async { collection.list_index_names().await }).await?;
            for index in INDEXES.iter().filter(|index| index.collection == name) {
                if !indexes.iter().any(|known| known == index.name) {
                    missing.push(format!("index {} of {name} is missing", index.name));
                }
            }
        }
        if let Some(other) = self.other_tail().await? {
            missing.push(format!("the capped collection {TAIL} has another size: {other}"));
        }
        Ok(missing)
    }
}
