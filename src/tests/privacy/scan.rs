//! Looking through everything that a server keeps.

use std::{collections::BTreeSet, fs, path::Path};

use diesel::{QueryableByName, sql_query, sql_types::Text};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::postgres::Database;

/// What is looked for.
pub struct Needles {
    /// Addresses, names, words: whatever the case.
    pub texts: Vec<String>,
    /// The person's id: as text, and as sixteen bytes.
    pub id: Uuid,
}

/// Where something was found: `schema.table.column` or a path, and what.
pub type Found = BTreeSet<(String, String)>;

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    schema: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    column: String,
    #[diesel(sql_type = Text)]
    sort: String,
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

/// Every column of every table of every schema, but PostgreSQL's own.
pub async fn tables(database: &Database, needles: &Needles) -> Found {
    let mut conn = database.conn().await.unwrap();
    let columns: Vec<Column> = sql_query(
        "select c.table_schema::text as schema, c.table_name::text as name, c.column_name::text as column,
                c.data_type::text as sort
         from information_schema.columns c
         join information_schema.tables t using (table_schema, table_name)
         where t.table_type = 'BASE TABLE' and c.table_schema not in ('pg_catalog', 'information_schema')
         order by 1, 2, c.ordinal_position",
    )
    .load(&mut conn)
    .await
    .unwrap();
    assert!(columns.len() > 400, "only {} columns", columns.len());
    let mut found = Found::new();
    for Column { schema, name, column, sort } in columns {
        let mut looks: Vec<(String, String)> = Vec::new();
        for text in &needles.texts {
            let quoted = text.replace('\'', "''");
            looks.push((
                text.clone(),
                match sort.as_str() {
                    "bytea" => format!("position(convert_to('{quoted}', 'UTF8') in \"{column}\") > 0"),
                    _ => format!("\"{column}\"::text ilike '%{quoted}%'"),
                },
            ));
        }
        let (id, raw) = (needles.id.to_string(), needles.id.simple().to_string());
        looks.push(("id".into(), match sort.as_str() {
            "bytea" => format!(
                "position('\\x{raw}'::bytea in \"{column}\") > 0 or position(convert_to('{id}', 'UTF8') in \"{column}\") > 0"
            ),
            _ => format!("\"{column}\"::text ilike '%{id}%' or \"{column}\"::text ilike '%{raw}%'"),
        }));
        for (what, condition) in looks {
            let query = format!("select count(*) as n from \"{schema}\".\"{name}\" where {condition}");
            let hits: Count =
                sql_query(&query).get_result(&mut conn).await.unwrap_or_else(|e| panic!("{query}: {e}"));
            if hits.n > 0 {
                found.insert((format!("{schema}.{name}.{column}"), what));
            }
        }
    }
    found
}

/// Every document of every collection, its name included.
pub async fn collections(url: &url::Url, needles: &Needles) -> Found {
    use futures_util::TryStreamExt;
    let client = mongodb::Client::with_uri_str(url.as_str()).await.unwrap();
    let database = client.default_database().expect("the URL names a database");
    let (id, raw) = (needles.id.to_string(), needles.id.simple().to_string());
    let mut found = Found::new();
    for name in database.list_collection_names().await.unwrap() {
        let all = database.collection::<mongodb::bson::Document>(&name);
        let mut cursor = all.find(mongodb::bson::doc! {}).await.unwrap();
        while let Some(document) = cursor.try_next().await.unwrap() {
            let bytes = mongodb::bson::serialize_to_vec(&document).unwrap();
            for text in &needles.texts {
                if contains(&bytes, text) {
                    found.insert((format!("mongodb {name}"), text.clone()));
                }
            }
            let is_there = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
            if is_there(needles.id.as_bytes()) || is_there(id.as_bytes()) || is_there(raw.as_bytes()) {
                found.insert((format!("mongodb {name}"), "id".into()));
            }
        }
    }
    found
}

/// Every file under a directory, its name included.
pub fn files(under: &Path, needles: &Needles) -> Found {
    fn walk(dir: &Path, see: &mut dyn FnMut(&Path)) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, see) } else { see(&path) }
        }
    }
    let mut found = Found::new();
    let (id, raw) = (needles.id.to_string(), needles.id.simple().to_string());
    walk(under, &mut |path| {
        let mut bytes = path.to_string_lossy().into_owned().into_bytes();
        bytes.extend(fs::read(path).unwrap());
        for text in needles.texts.iter().chain([&id, &raw]) {
            if contains(&bytes, text) {
                found.insert((path.display().to_string(), text.clone()));
            }
        }
    });
    found
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let wanted = text.to_lowercase().into_bytes();
    let bytes = bytes.to_ascii_lowercase();
    bytes.windows(wanted.len()).any(|part| part == wanted)
}
