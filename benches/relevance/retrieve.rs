//! The indexes of the product, filled with graded sets and asked.

use std::{collections::HashMap, time::Duration};

use uuid::Uuid;

use gigsy::{
    app,
    config::{self, Config},
    ports::{
        attributes::Attributes,
        embed::Embedder,
        text::{self, TextIndex},
        vectors::{Collection as Version, Point, VectorStore},
    },
    postgres::Database,
};

use super::{
    Outcome,
    sets::{Collection, Document},
};

/// Candidates of each list, as the product has them.
const CANDIDATES: usize = 100;
/// Documents written at once.
const BATCH: usize = 200;

/// Documents by their places, the best first.
pub struct Lists {
    pub text: Vec<usize>,
    /// Those of `text` that have every word as it was typed.
    pub whole: Vec<usize>,
    pub vectors: Vec<usize>,
    /// How well each of `text` matches, as its adapter has it, and how each title is marked.
    pub said: Vec<(f32, String)>,
    /// How alike each of `vectors` is.
    pub alike: Vec<f32>,
}

/// One choice of adapters.
pub struct Backend {
    name: &'static str,
    embedder: Embedder,
    text: TextIndex,
    vectors: VectorStore,
    database: Option<Database>,
    /// The embedded database lives there.
    folder: Option<tempfile::TempDir>,
}

/// The embedded adapters, always over a database of their own; the servers where both URLs are set.
pub async fn backends() -> Outcome<Vec<Backend>> {
    let config = config::load()?.config;
    let folder = tempfile::tempdir()?;
    let mut own = config.clone();
    own.data.dir = folder.path().to_owned();
    own.database.url = None;
    own.qdrant.url = None;
    own.meilisearch.url = None;
    let database = Database::open(&own).await?;
    database.migrate().await?;
    let (text, vectors) = app::indexes(&own, &database)?;
    let embedder = app::embedder(&config)?;
    let embedded = Backend {
        name: "embedded",
        embedder: embedder.clone(),
        text,
        vectors,
        database: Some(database.clone()),
        folder: Some(folder),
    };
    let mut all = vec![embedded];
    if is_on_servers(&config) {
        let (text, vectors) = app::indexes(&config, &database)?;
        all.push(Backend { name: "servers", embedder, text, vectors, database: None, folder: None });
    } else {
        println!("SKIPPED servers: QDRANT_URL and MEILI_URL are not both set");
    }
    // The database is stopped with the last.
    all.reverse();
    Ok(all)
}

fn is_on_servers(config: &Config) -> bool {
    config.qdrant.url.is_some() && config.meilisearch.url.is_some()
}

fn id(place: usize) -> Uuid {
    Uuid::from_u64_pair(0x6769_6773_7972_8000, 0x8000_0000_0000_0000 | place as u64)
}

/// What is embedded: as `contexts::discovery::words_of` has it.
fn words_of(document: &Document) -> String {
    format!("{}\n{}\n{}", document.title, names(document).join(", "), document.body)
}

fn names(document: &Document) -> Vec<String> {
    document.skills.iter().map(|slug| slug.replace('-', " ")).collect()
}

impl Backend {
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn model(&self) -> String {
        self.embedder.model().name.clone()
    }

    fn version(&self, collection: &Collection) -> Version {
        let model = self.embedder.model();
        Version::new(collection.name, model.name.clone(), model.dimension)
    }

    /// Writes every document to both indexes.
    pub async fn fill(&self, collection: &Collection) -> Outcome<()> {
        let version = self.version(collection);
        self.text.ready(collection.name).await?;
        self.vectors.ready(&version).await?;
        let places: Vec<usize> = (0..collection.documents.len()).collect();
        for chunk in places.chunks(BATCH) {
            let documents: Vec<&Document> = chunk.iter().map(|at| &collection.documents[*at]).collect();
            let attributes = |document: &Document| Attributes {
                skills: document.skills.clone(),
                open: true,
                ..Attributes::default()
            };
            let texts: Vec<text::Document> = chunk
                .iter()
                .zip(&documents)
                .map(|(at, document)| text::Document {
                    id: id(*at),
                    revision: 1,
                    title: document.title.clone(),
                    keywords: names(document),
                    body: document.body.clone(),
                    attributes: attributes(document),
                })
                .collect();
            self.text.upsert(collection.name, &texts).await?;
            let words: Vec<String> = documents.iter().map(|document| words_of(document)).collect();
            let points: Vec<Point> = chunk
                .iter()
                .zip(self.embedder.embed(&words).await?)
                .zip(&documents)
                .filter(|((_, vector), _)| vector.iter().any(|x| *x != 0.0))
                .map(|((at, vector), document)| Point {
                    id: id(*at),
                    revision: 1,
                    vector,
                    payload: attributes(document),
                })
                .collect();
            self.vectors.upsert(&version, &points).await?;
        }
        self.vectors.promote(&version).await?;
        // Servers may index behind their answer.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    }

    /// Asks both indexes.
    pub async fn ask(&self, collection: &Collection, question: &str) -> Outcome<Lists> {
        let places: HashMap<Uuid, usize> = (0..collection.documents.len()).map(|at| (id(at), at)).collect();
        let query = text::Query { text: question.to_owned(), limit: CANDIDATES, ..text::Query::default() };
        let found = self.text.search(collection.name, &query).await?;
        let vector = self.embedder.embed(&[question.to_owned()]).await?.pop().unwrap_or_default();
        let near = if vector.iter().any(|x| *x != 0.0) {
            let version = self.version(collection);
            self.vectors.nearest(&version, &vector, &Default::default(), CANDIDATES).await?
        } else {
            Vec::new()
        };
        let marked = |hit: &text::TextHit| {
            let parts = hit
                .title
                .parts()
                .into_iter()
                .map(|(part, marked)| if marked { format!("[{part}]") } else { part.to_owned() });
            parts.collect::<String>()
        };
        Ok(Lists {
            said: found.hits.iter().map(|hit| (hit.score, marked(hit))).collect(),
            alike: near.iter().map(|hit| hit.score).collect(),
            whole: found
                .hits
                .iter()
                .filter(|hit| hit.whole)
                .filter_map(|hit| places.get(&hit.id).copied())
                .collect(),
            text: found.hits.iter().filter_map(|hit| places.get(&hit.id).copied()).collect(),
            vectors: near.iter().filter_map(|hit| places.get(&hit.id).copied()).collect(),
        })
    }

    pub async fn close(self) {
        if let Some(database) = self.database {
            database.shutdown().await;
        }
        drop(self.folder);
    }
}
