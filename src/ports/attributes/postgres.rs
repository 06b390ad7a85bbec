//! Attributes as columns of a table, and a filter as its condition.

use diesel::{
    pg::Pg,
    query_builder::{BoxedSqlQuery, SqlQuery},
    sql_types::{Array, BigInt, Bool, Float4, Json, Text, Uuid as SqlUuid},
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{Attributes, Filter};

/// The columns, for `create table`. Times are milliseconds since 1970.
pub(crate) const COLUMNS: &str = "owner uuid, skills text[] not null, languages text[] not null, level text,
    remote boolean, tags text[] not null, currency text, budget_minor bigint, rating_milli bigint,
    starts_ms bigint, ends_ms bigint, fresh_ms bigint, open boolean not null";
/// Their names.
pub(crate) const NAMES: [&str; 13] = [
    "owner",
    "skills",
    "languages",
    "level",
    "remote",
    "tags",
    "currency",
    "budget_minor",
    "rating_milli",
    "starts_ms",
    "ends_ms",
    "fresh_ms",
    "open",
];

/// A statement that is put together, with its parameters.
pub(crate) struct Sql {
    text: String,
    binds: Vec<Bind>,
}

/// A parameter.
pub(crate) enum Bind {
    Text(String),
    Texts(Vec<String>),
    Int(i64),
    Bool(bool),
    Id(Uuid),
    Ids(Vec<Uuid>),
    Reals(Vec<f32>),
    Json(Value),
}

impl Sql {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }

    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a parameter, and answers how the text refers to it.
    pub fn arg(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.binds.len())
    }

    /// Adds text with `?` in the place of a parameter.
    pub fn with(&mut self, text: &str, bind: Bind) {
        let arg = self.arg(bind);
        self.push(&text.replace('?', &arg));
    }

    pub fn query(self) -> BoxedSqlQuery<'static, Pg, SqlQuery> {
        let mut query = diesel::sql_query(self.text).into_boxed::<Pg>();
        for bind in self.binds {
            query = match bind {
                Bind::Text(value) => query.bind::<Text, _>(value),
                Bind::Texts(value) => query.bind::<Array<Text>, _>(value),
                Bind::Int(value) => query.bind::<BigInt, _>(value),
                Bind::Bool(value) => query.bind::<Bool, _>(value),
                Bind::Id(value) => query.bind::<SqlUuid, _>(value),
                Bind::Ids(value) => query.bind::<Array<SqlUuid>, _>(value),
                Bind::Reals(value) => query.bind::<Array<Float4>, _>(value),
                Bind::Json(value) => query.bind::<Json, _>(value),
            };
        }
        query
    }

    /// Adds ` and …` for each demand.
    pub fn demand(&mut self, filter: &Filter) {
        let Filter {
            any_skills,
            all_skills,
            languages,
            levels,
            remote,
            tags,
            currency,
            budget_min,
            budget_max,
            rating_min,
            after,
            before,
            fresh_after,
            open_only,
            not_ids,
            not_owners,
            only_ids,
        } = filter;
        let lists = [
            (any_skills, " and skills && ?"),
            (all_skills, " and skills @> ?"),
            (languages, " and languages && ?"),
            (levels, " and level = any(?)"),
            (tags, " and tags && ?"),
        ];
        for (list, text) in lists {
            if !list.is_empty() {
                self.with(text, Bind::Texts(list.clone()));
            }
        }
        let bounds = [
            (*budget_min, " and budget_minor >= ?"),
            (*budget_max, " and budget_minor <= ?"),
            (*rating_min, " and rating_milli >= ?"),
            (after.map(|at| at.timestamp_millis()), " and starts_ms >= ?"),
            (before.map(|at| at.timestamp_millis()), " and starts_ms < ?"),
            (fresh_after.map(|at| at.timestamp_millis()), " and fresh_ms >= ?"),
        ];
        for (bound, text) in bounds {
            if let Some(bound) = bound {
                self.with(text, Bind::Int(bound));
            }
        }
        if let Some(remote) = remote {
            self.with(" and remote = ?", Bind::Bool(*remote));
        }
        if let Some(currency) = currency {
            self.with(" and currency = ?", Bind::Text(currency.clone()));
        }
        if *open_only {
            self.push(" and open");
        }
        if !not_ids.is_empty() {
            self.with(" and id <> all(?)", Bind::Ids(not_ids.clone()));
        }
        if !not_owners.is_empty() {
            self.with(" and (owner is null or owner <> all(?))", Bind::Ids(not_owners.clone()));
        }
        if let Some(only) = only_ids {
            self.with(" and id = any(?)", Bind::Ids(only.clone()));
        }
    }
}

/// The columns' values, for `json_populate_recordset`.
pub(crate) fn row(of: &Attributes) -> Map<String, Value> {
    let millis = |at: Option<chrono::DateTime<chrono::Utc>>| json!(at.map(|at| at.timestamp_millis()));
    let values = [
        json!(of.owner),
        json!(of.skills),
        json!(of.languages),
        json!(of.level),
        json!(of.remote),
        json!(of.tags),
        json!(of.currency),
        json!(of.budget_minor),
        json!(of.rating_milli),
        millis(of.starts_at),
        millis(of.ends_at),
        millis(of.fresh_at),
        json!(of.open),
    ];
    NAMES.into_iter().map(str::to_owned).zip(values).collect()
}

/// `a = excluded.a, …` of the columns.
pub(crate) fn taken() -> String {
    NAMES.map(|name| format!("{name} = excluded.{name}")).join(", ")
}
