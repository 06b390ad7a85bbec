//! Writing: documents, and with them the vocabulary and the phrases, in one transaction.
//!
//! A build has one writer at a time, by its row in `words.builds`: so what is counted stays right.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::{
    QueryableByName,
    sql_types::{Array, BigInt, Bool, Nullable, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Document,
        words::{folded, words},
    },
    Answer, Number, TextError,
};
use crate::ports::attributes::{
    Attributes,
    postgres::{Bind, NAMES, Sql, row, taken},
};

/// So much of a title is read, in characters.
const TITLE: usize = 500;
/// So much of a body.
const BODY: usize = 50_000;
/// So many keywords.
const KEYWORDS: usize = 100;
/// A phrase longer than this is not suggested, in characters.
const PHRASE: usize = 120;
/// PostgreSQL keeps so many places of a word.
const PLACES: usize = 255;
/// The last place that PostgreSQL tells apart.
const LAST_PLACE: usize = 16_383;

/// What is to be written.
pub(super) enum Change<'a> {
    /// These documents are there now.
    Put(&'a [Document]),
    /// These are gone.
    Gone(&'a [(Uuid, i64)]),
}

/// What is to be written, worked out.
pub(super) struct Prepared {
    rows: Vec<Row>,
}

struct Row {
    id: Uuid,
    revision: i64,
    gone: bool,
    /// For `json_populate_recordset`.
    value: Value,
    lexemes: BTreeSet<String>,
    /// Folded, and as they are shown.
    phrases: BTreeMap<String, String>,
}

#[derive(QueryableByName)]
struct Stem {
    #[diesel(sql_type = Text)]
    word: String,
    #[diesel(sql_type = Nullable<Text>)]
    stem: Option<String>,
}

#[derive(QueryableByName)]
struct Old {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    revision: i64,
    #[diesel(sql_type = Bool)]
    gone: bool,
    #[diesel(sql_type = Array<Text>)]
    lexemes: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    phrases: Vec<String>,
}

/// A text's beginning, without what PostgreSQL cannot keep.
fn head(text: &str, chars: usize) -> String {
    text.chars().take(chars).filter(|c| *c != '\0').collect()
}

/// A document cut into words.
struct Cut {
    title: String,
    keywords: Vec<String>,
    body: String,
    /// Each word's places, with their weights.
    places: BTreeMap<String, Vec<(usize, char)>>,
}

impl Cut {
    fn of(document: &Document) -> Self {
        let title = head(&document.title, TITLE);
        let keywords: Vec<_> =
            document.keywords.iter().take(KEYWORDS).map(|word| head(word, PHRASE)).collect();
        let body = head(&document.body, BODY);
        let mut places = BTreeMap::<String, Vec<(usize, char)>>::new();
        let mut place = 0;
        let parts = std::iter::once((title.as_str(), 'A'))
            .chain(keywords.iter().map(|keyword| (keyword.as_str(), 'B')))
            .chain(std::iter::once((body.as_str(), 'C')));
        for (text, weight) in parts {
            for word in words(text) {
                place = (place + 1).min(LAST_PLACE);
                let known = places.entry(word.folded).or_default();
                if known.len() < PLACES && known.last().is_none_or(|(last, _)| *last < place) {
                    known.push((place, weight));
                }
            }
            // Words of two parts are not neighbours.
            place = (place + 10).min(LAST_PLACE);
        }
        Self { title, keywords, body, places }
    }

    fn row(self, document: &Document, stems: &HashMap<String, String>) -> Row {
        let mut places = self.places;
        let mut stemmed = BTreeMap::<String, Vec<(usize, char)>>::new();
        for (word, at) in &places {
            if let Some(stem) = stems.get(word) {
                stemmed.entry(format!("~{stem}")).or_default().extend(at);
            }
        }
        for at in stemmed.values_mut() {
            at.sort_unstable();
            at.dedup_by_key(|(place, _)| *place);
            at.truncate(PLACES);
        }
        places.extend(stemmed);
        let mut phrases = BTreeMap::new();
        for phrase in self.keywords.iter().chain(std::iter::once(&self.title)) {
            if phrase.chars().count() <= PHRASE {
                phrases.insert(folded(phrase), phrase.trim().to_owned());
            }
        }
        phrases.remove("");
        let mut value = row(&document.attributes);
        value.insert("id".into(), json!(document.id));
        value.insert("revision".into(), json!(document.revision));
        value.insert("gone".into(), json!(false));
        value.insert("title".into(), json!(self.title));
        value.insert("body".into(), json!(self.body));
        value.insert("phrases".into(), json!(phrases.keys().collect::<Vec<_>>()));
        value.insert("tsv".into(), json!(vector(&places)));
        Row {
            id: document.id,
            revision: document.revision,
            gone: false,
            value: value.into(),
            lexemes: places.into_keys().collect(),
            phrases,
        }
    }
}

/// The input form of a `tsvector`. Words hold neither quotes nor backslashes.
fn vector(places: &BTreeMap<String, Vec<(usize, char)>>) -> String {
    let lexeme = |(word, at): (&String, &Vec<(usize, char)>)| {
        let at: Vec<_> = at.iter().map(|(place, weight)| format!("{place}{weight}")).collect();
        format!("'{word}':{}", at.join(","))
    };
    places.iter().map(lexeme).collect::<Vec<_>>().join(" ")
}

fn tombstone(id: Uuid, revision: i64) -> Row {
    let mut value = row(&Attributes::default());
    value.insert("id".into(), json!(id));
    value.insert("revision".into(), json!(revision));
    value.insert("gone".into(), json!(true));
    value.insert("title".into(), json!(""));
    value.insert("body".into(), json!(""));
    value.insert("phrases".into(), json!([]));
    Row { id, revision, gone: true, value: value.into(), lexemes: BTreeSet::new(), phrases: BTreeMap::new() }
}

impl Change<'_> {
    /// Works out the rows. The server's stemmer is asked once for all words.
    pub async fn prepare(&self, conn: &mut AsyncPgConnection) -> Answer<Prepared> {
        let rows = match self {
            Self::Gone(ids) => ids.iter().map(|(id, revision)| tombstone(*id, *revision)).collect(),
            Self::Put(documents) => {
                let cut: Vec<_> = documents.iter().map(Cut::of).collect();
                let all: BTreeSet<_> = cut.iter().flat_map(|cut| cut.places.keys().cloned()).collect();
                let stems = stems(conn, all.into_iter().collect()).await?;
                cut.into_iter().zip(*documents).map(|(cut, document)| cut.row(document, &stems)).collect()
            }
        };
        Ok(Prepared { rows })
    }
}

/// The stems of those words that have another than themselves.
pub(super) async fn stems(conn: &mut AsyncPgConnection, all: Vec<String>) -> Answer<HashMap<String, String>> {
    let mut sql =
        Sql::new("select word, (ts_lexize('pg_catalog.english_stem', word))[1] as stem from unnest(");
    sql.with("?) as words (word)", Bind::Texts(all));
    let rows = sql.query().load::<Stem>(conn).await?;
    let other = rows.into_iter().filter_map(|row| row.stem.map(|stem| (row.word, stem)));
    Ok(other.filter(|(word, stem)| word != stem).collect())
}

impl Prepared {
    /// Writes to a build what is newer than what it has.
    pub async fn apply(&self, conn: &mut AsyncPgConnection, build: i64) -> Answer<()> {
        let one = format!("select documents as n from words.builds where id = {build} for update");
        diesel::sql_query(one).get_result::<Number>(conn).await.map_err(|error| match error {
            diesel::result::Error::NotFound => TextError::Missing(format!("build {build}")),
            other => other.into(),
        })?;
        let olds = self.olds(conn, build).await?;
        let newer = |row: &&Row| match olds.get(&row.id) {
            None => true,
            Some(old) => {
                old.revision < row.revision || (old.revision == row.revision && (row.gone || !old.gone))
            }
        };
        let rows: Vec<_> = self.rows.iter().filter(newer).collect();
        if rows.is_empty() {
            return Ok(());
        }
        write(conn, build, &rows).await?;
        let mut lexemes = BTreeMap::<&str, i64>::new();
        let mut phrases = BTreeMap::<&str, (i64, Option<&str>)>::new();
        let mut documents = 0;
        for row in &rows {
            if let Some(old) = olds.get(&row.id) {
                documents -= i64::from(!old.gone);
                old.lexemes.iter().for_each(|word| *lexemes.entry(word).or_default() -= 1);
                old.phrases.iter().for_each(|phrase| phrases.entry(phrase).or_default().0 -= 1);
            }
            documents += i64::from(!row.gone);
            row.lexemes.iter().for_each(|word| *lexemes.entry(word).or_default() += 1);
            for (folded, shown) in &row.phrases {
                let entry = phrases.entry(folded).or_default();
                *entry = (entry.0 + 1, Some(shown));
            }
        }
        count(conn, build, documents).await?;
        lexemes.retain(|_, n| *n != 0);
        phrases.retain(|_, (n, _)| *n != 0);
        add_words(conn, build, &lexemes).await?;
        add_phrases(conn, build, &phrases).await
    }

    async fn olds(&self, conn: &mut AsyncPgConnection, build: i64) -> Answer<HashMap<Uuid, Old>> {
        let ids = self.rows.iter().map(|row| row.id).collect();
        let mut sql = Sql::new(format!(
            "select id, revision, gone, phrases, coalesce(tsvector_to_array(tsv), '{{}}') as lexemes
             from words.d{build} where id = any("
        ));
        sql.with("?)", Bind::Ids(ids));
        let olds = sql.query().load::<Old>(conn).await?;
        Ok(olds.into_iter().map(|old| (old.id, old)).collect())
    }
}

async fn write(conn: &mut AsyncPgConnection, build: i64, rows: &[&Row]) -> Answer<()> {
    let names = NAMES.join(", ");
    let rows: Vec<_> = rows.iter().map(|row| &row.value).collect();
    let mut sql = Sql::new(format!(
        "insert into words.d{build} (id, revision, gone, title, body, phrases, tsv, {names})
         select id, revision, gone, title, body, phrases, tsv, {names}
         from json_populate_recordset(null::words.d{build}, "
    ));
    sql.with("?)", Bind::Json(json!(rows)));
    sql.push(&format!(
        " on conflict (id) do update set revision = excluded.revision, gone = excluded.gone,
         title = excluded.title, body = excluded.body, phrases = excluded.phrases, tsv = excluded.tsv, {}",
        taken()
    ));
    sql.query().execute(conn).await?;
    Ok(())
}

async fn count(conn: &mut AsyncPgConnection, build: i64, by: i64) -> Answer<()> {
    let text = format!("update words.builds set documents = documents + ({by}) where id = {build}");
    diesel::sql_query(text).execute(conn).await?;
    Ok(())
}

async fn add_words(conn: &mut AsyncPgConnection, build: i64, by: &BTreeMap<&str, i64>) -> Answer<()> {
    if by.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        by.iter().map(|(word, n)| json!({ "word": word, "n": n, "stem": word.starts_with('~') })).collect();
    let mut sql = Sql::new(format!(
        "insert into words.v{build} as v (word, n, stem)
         select word, n, stem from json_populate_recordset(null::words.v{build}, "
    ));
    sql.with("?) on conflict (word) do update set n = v.n + excluded.n", Bind::Json(json!(rows)));
    sql.query().execute(conn).await?;
    forget(conn, &format!("words.v{build}"), "word", by.iter().filter(|(_, n)| **n < 0).map(|(w, _)| *w))
        .await
}

async fn add_phrases(
    conn: &mut AsyncPgConnection,
    build: i64,
    by: &BTreeMap<&str, (i64, Option<&str>)>,
) -> Answer<()> {
    if by.is_empty() {
        return Ok(());
    }
    let row = |(folded, (n, shown)): (&&str, &(i64, Option<&str>))| json!({ "folded": folded, "shown": shown.unwrap_or(folded), "n": n });
    let rows: Vec<_> = by.iter().map(row).collect();
    let mut sql = Sql::new(format!(
        "insert into words.s{build} as s (folded, shown, n)
         select folded, shown, n from json_populate_recordset(null::words.s{build}, "
    ));
    sql.with("?) on conflict (folded) do update set n = s.n + excluded.n", Bind::Json(json!(rows)));
    sql.query().execute(conn).await?;
    let fewer = by.iter().filter(|(_, (n, _))| *n < 0).map(|(folded, _)| *folded);
    forget(conn, &format!("words.s{build}"), "folded", fewer).await
}

/// Removes what no document has any more.
async fn forget<'a>(
    conn: &mut AsyncPgConnection,
    table: &str,
    column: &str,
    fewer: impl Iterator<Item = &'a str>,
) -> Answer<()> {
    let fewer: Vec<_> = fewer.map(str::to_owned).collect();
    if fewer.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new(format!("delete from {table} where n <= 0 and {column} = any("));
    sql.with("?)", Bind::Texts(fewer));
    sql.query().execute(conn).await?;
    Ok(())
}
