//! Vectors in Qdrant, where `QDRANT_URL` names one.
//!
//! | what | in Qdrant |
//! | --- | --- |
//! | a version of a collection | the collection `<prefix>.<name>.<dimension>.<build>.<model in base64>` |
//! | the live one | the alias `<prefix>.<name>`, moved by one call |
//! | a point | id, the named vector `v` (cosine), attributes with an index each, `revision`, `gone` |
//! | a deleted point | the same without a vector: its revision is remembered |
//!
//! Each write carries a condition on the revision that is there (`update_filter`, Qdrant 1.16 and later), which
//! the server checks as it writes; so nodes need not agree among themselves who writes. Writes wait until
//! they are applied. A call is tried again where that can help: every one may be carried out twice.

mod calls;
mod names;
mod payload;

use std::{collections::HashMap, time::Instant};

use async_trait::async_trait;
use qdrant_client::qdrant::{
    CountPoints, CreateAliasBuilder, CreateCollection, CreateFieldIndexCollection, Distance, FieldType,
    GetPoints, PointId, PointStruct, PointsUpdateOperation, QueryPointsBuilder, ScrollPoints,
    UpdateBatchPoints, UpdateStatus, VectorParams, VectorParamsMap, VectorsConfig,
    point_id::PointIdOptions,
    points_update_operation::{Operation, PointStructList},
    vector_output::Vector,
    vectors_config::Config,
};
use uuid::Uuid;

use self::{
    calls::Calls,
    names::{alias, of_alias, parse, physical},
    payload::{VECTOR, demand, gone, newer, newer_or_same, payload, there, vectors},
};
use super::{Answer, Collection, Hit, Point, VectorError, Vectors};
use crate::{
    config::QdrantConfig,
    ports::{Mode, StoreStatus, attributes::Filter, status::since},
};

/// The oldest version whose writes can carry a condition.
const OLDEST: (u64, u64) = (1, 16);

/// What has an index, and of what sort.
const INDEXED: [(&str, FieldType); 13] = [
    ("owner", FieldType::Keyword),
    ("skills", FieldType::Keyword),
    ("languages", FieldType::Keyword),
    ("level", FieldType::Keyword),
    ("remote", FieldType::Bool),
    ("tags", FieldType::Keyword),
    ("currency", FieldType::Keyword),
    ("budget_minor", FieldType::Integer),
    ("rating_milli", FieldType::Integer),
    ("starts_ms", FieldType::Integer),
    ("fresh_ms", FieldType::Integer),
    ("open", FieldType::Bool),
    ("gone", FieldType::Bool),
];

/// Vectors in Qdrant.
pub(crate) struct Qdrant {
    calls: Calls,
    prefix: String,
    seconds: u64,
}

impl Qdrant {
    /// Prepares connections to the server of the configuration, which need not answer yet. `None` when no URL
    /// is set.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn connect(config: &QdrantConfig) -> Answer<Option<Self>> {
        let Some(calls) = Calls::connect(config)? else { return Ok(None) };
        let seconds = config.timeout_ms.div_ceil(1_000);
        Ok(Some(Self { calls, prefix: config.prefix.clone(), seconds }))
    }

    fn named(&self, c: &Collection) -> String {
        physical(&self.prefix, c)
    }

    async fn exists(&self, c: &Collection) -> Answer<bool> {
        let name = self.named(c);
        self.calls
            .run(move |client| {
                let name = name.clone();
                async move { client.collection_exists(name).await }
            })
            .await
    }

    async fn create(&self, c: &Collection) -> Answer<()> {
        let params = VectorParams {
            size: c.dimension as u64,
            distance: Distance::Cosine.into(),
            ..VectorParams::default()
        };
        let map = HashMap::from([(VECTOR.to_owned(), params)]);
        let request = CreateCollection {
            collection_name: self.named(c),
            vectors_config: Some(VectorsConfig { config: Some(Config::ParamsMap(VectorParamsMap { map })) }),
            timeout: Some(self.seconds),
            ..CreateCollection::default()
        };
        let made = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.create_collection(request).await }
        });
        match made.await {
            Ok(_) => Ok(()),
            // Another node may have been first, or the call before this one was carried out after all.
            Err(VectorError::Failed(said)) => {
                if self.exists(c).await? {
                    Ok(())
                } else {
                    Err(VectorError::Failed(said))
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn index(&self, c: &Collection, field: &'static str, sort: FieldType) -> Answer<()> {
        let request = CreateFieldIndexCollection {
            collection_name: self.named(c),
            wait: Some(true),
            field_name: field.to_owned(),
            field_type: Some(sort.into()),
            timeout: Some(self.seconds),
            ..CreateFieldIndexCollection::default()
        };
        let done = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.create_field_index(request).await }
        });
        whole(done.await?.result.map(|result| result.status))
    }

    async fn write(&self, c: &Collection, operations: Vec<PointsUpdateOperation>) -> Answer<()> {
        let request = UpdateBatchPoints {
            collection_name: self.named(c),
            wait: Some(true),
            operations,
            timeout: Some(self.seconds),
            ..UpdateBatchPoints::default()
        };
        let wanted = request.operations.len();
        let done = self
            .calls
            .run(move |client| {
                let request = request.clone();
                async move { client.update_points_batch(request).await }
            })
            .await?;
        if done.result.len() != wanted {
            let got = done.result.len();
            return Err(VectorError::Unavailable(format!("{got} of {wanted} writes were answered")));
        }
        done.result.into_iter().try_for_each(|result| whole(Some(result.status)))
    }
}

/// A write counts once it is applied: before, searches do not see it.
fn whole(status: Option<i32>) -> Answer<()> {
    match status.map(UpdateStatus::try_from) {
        Some(Ok(UpdateStatus::Completed)) => Ok(()),
        other => Err(VectorError::Unavailable(format!("a write is not applied yet: {other:?}"))),
    }
}

fn operation(point: PointStruct, on: qdrant_client::qdrant::Filter) -> PointsUpdateOperation {
    let list = PointStructList { points: vec![point], update_filter: Some(on), ..PointStructList::default() };
    PointsUpdateOperation { operation: Some(Operation::Upsert(list)) }
}

fn uuid(id: Option<PointId>) -> Option<Uuid> {
    match id?.point_id_options? {
        PointIdOptions::Uuid(text) => text.parse().ok(),
        PointIdOptions::Num(_) => None,
    }
}

#[async_trait]
impl Vectors for Qdrant {
    async fn ready(&self, c: &Collection) -> Answer<()> {
        let version = self.calls.version().await?;
        if !since(&version, OLDEST) {
            return Err(VectorError::Failed(format!("Qdrant {version} is too old: 1.16 or later is needed")));
        }
        if !self.exists(c).await? {
            self.create(c).await?;
        }
        for (field, sort) in INDEXED {
            self.index(c, field, sort).await?;
        }
        self.index(c, "revision", FieldType::Integer).await
    }

    async fn upsert(&self, c: &Collection, points: &[Point]) -> Answer<()> {
        let operations = points.iter().map(|point| {
            let new = PointStruct {
                id: Some(point.id.to_string().into()),
                payload: payload(point.revision, &point.payload),
                vectors: Some(vectors(point.vector.clone())),
            };
            operation(new, newer(point.revision))
        });
        self.write(c, operations.collect()).await
    }

    async fn delete(&self, c: &Collection, ids: &[(Uuid, i64)]) -> Answer<()> {
        let operations = ids.iter().map(|(id, revision)| {
            let stone = PointStruct {
                id: Some(id.to_string().into()),
                payload: gone(*revision),
                vectors: Some(payload::nothing()),
            };
            operation(stone, newer_or_same(*revision))
        });
        self.write(c, operations.collect()).await
    }

    async fn nearest(
        &self,
        c: &Collection,
        vector: &[f32],
        filter: &Filter,
        limit: usize,
    ) -> Answer<Vec<Hit>> {
        let request = QueryPointsBuilder::new(self.named(c))
            .query(vector.to_vec())
            .using(VECTOR)
            .filter(demand(filter))
            .limit(limit as u64)
            .timeout(self.seconds)
            .build();
        let found = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.query(request).await }
        });
        let hit = |point: qdrant_client::qdrant::ScoredPoint| {
            Some(Hit { score: point.score.clamp(-1.0, 1.0), id: uuid(point.id)? })
        };
        Ok(found.await?.result.into_iter().filter_map(hit).collect())
    }

    async fn vector_of(&self, c: &Collection, ids: &[Uuid]) -> Answer<Vec<(Uuid, Vec<f32>)>> {
        let request = GetPoints {
            collection_name: self.named(c),
            ids: ids.iter().map(|id| id.to_string().into()).collect(),
            with_vectors: Some(true.into()),
            timeout: Some(self.seconds),
            ..GetPoints::default()
        };
        let found = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.get_points(request).await }
        });
        let one = |point: qdrant_client::qdrant::RetrievedPoint| {
            let vector = point.vectors.and_then(|vectors| vectors.get_vector_by_name(VECTOR))?;
            match vector {
                Vector::Dense(dense) => Some((uuid(point.id)?, dense.data)),
                _ => None,
            }
        };
        Ok(found.await?.result.into_iter().filter_map(one).collect())
    }

    async fn count(&self, c: &Collection) -> Answer<u64> {
        let request = CountPoints {
            collection_name: self.named(c),
            filter: Some(there()),
            exact: Some(true),
            timeout: Some(self.seconds),
            ..CountPoints::default()
        };
        let found = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.count(request).await }
        });
        Ok(found.await?.result.map_or(0, |result| result.count))
    }

    async fn ids(&self, c: &Collection, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>> {
        // The server begins with the one it is told; that is left out.
        let more = usize::from(after.is_some());
        let request = ScrollPoints {
            collection_name: self.named(c),
            filter: Some(there()),
            offset: after.map(|id| id.to_string().into()),
            limit: Some(u32::try_from(limit + more).unwrap_or(u32::MAX)),
            with_payload: Some(true.into()),
            timeout: Some(self.seconds),
            ..ScrollPoints::default()
        };
        let found = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.scroll(request).await }
        });
        let one = |point: qdrant_client::qdrant::RetrievedPoint| {
            let revision = point.payload.get("revision").and_then(|value| value.as_integer())?;
            Some((uuid(point.id)?, revision))
        };
        let all = found.await?.result.into_iter().filter_map(one);
        Ok(all.filter(|(id, _)| after.is_none_or(|after| *id > after)).take(limit).collect())
    }

    async fn promote(&self, c: &Collection) -> Answer<()> {
        if !self.exists(c).await? {
            return Err(VectorError::Missing(c.to_string()));
        }
        // An alias that is there is moved.
        let request = CreateAliasBuilder::new(self.named(c), alias(&self.prefix, &c.name)).build();
        let done = self.calls.run(move |client| {
            let request = request.clone();
            async move { client.create_alias(request).await }
        });
        if done.await?.result {
            Ok(())
        } else {
            Err(VectorError::Unavailable("the alias was not moved".into()))
        }
    }

    async fn live(&self, name: &str) -> Answer<Option<Collection>> {
        let found = self.calls.run(|client| async move { client.list_aliases().await }).await?;
        let own = alias(&self.prefix, name);
        let named = found.aliases.iter().find(|found| found.alias_name == own);
        Ok(named.and_then(|found| parse(&self.prefix, &found.collection_name)))
    }

    async fn versions(&self, name: &str) -> Answer<Vec<Collection>> {
        let found = self.calls.run(|client| async move { client.list_collections().await }).await?;
        let ours = found.collections.iter().filter_map(|found| parse(&self.prefix, &found.name));
        let mut ours: Vec<_> = ours.filter(|c| c.name == name).collect();
        ours.sort_by(|a, b| (a.build, &a.model).cmp(&(b.build, &b.model)));
        Ok(ours)
    }

    async fn remove(&self, c: &Collection) -> Answer<()> {
        if !self.exists(c).await? {
            return Ok(());
        }
        let name = self.named(c);
        self.calls
            .run(move |client| {
                let name = name.clone();
                async move { client.delete_collection(name).await }
            })
            .await
            .map(drop)
    }

    async fn status(&self) -> StoreStatus {
        let mut status = StoreStatus {
            name: "vectors",
            mode: Mode::Server,
            reachable: false,
            latency_ms: None,
            version: None,
            detail: None,
            mend: None,
        };
        let asked = Instant::now();
        let version = self.calls.version().await;
        let took = asked.elapsed().as_secs_f64() * 1_000.0;
        let survey = match version {
            Ok(version) => {
                (status.reachable, status.latency_ms) = (true, Some(took));
                if !since(&version, OLDEST) {
                    status.mend = Some("Qdrant 1.16 or later is needed".into());
                }
                status.version = Some(version);
                self.survey().await
            }
            Err(error) => Err(error),
        };
        match survey {
            Ok(detail) => status.detail = Some(detail),
            Err(error) => {
                status.reachable = false;
                status.mend = Some(format!(
                    "check QDRANT_URL (the gRPC port, by default 6334), QDRANT_API_KEY and that the server runs \
                     ({error})"
                ));
            }
        }
        status
    }
}

impl Qdrant {
    async fn survey(&self) -> Answer<String> {
        let found = self.calls.run(|client| async move { client.list_aliases().await }).await?;
        let mut counts = Vec::new();
        for alias in found.aliases {
            if of_alias(&self.prefix, &alias.alias_name).is_some()
                && let Some(c) = parse(&self.prefix, &alias.collection_name)
            {
                counts.push(format!("{} {} ({})", c.name, self.count(&c).await?, c.model));
            }
        }
        counts.sort();
        Ok(if counts.is_empty() { "nothing in it yet".to_owned() } else { counts.join(", ") })
    }
}
