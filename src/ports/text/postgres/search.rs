//! Searching, counting, suggesting.

use std::collections::BTreeMap;

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Bool, Double, Text, Uuid as SqlUuid},
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use super::{
    super::{Facet, Found, Query, Sort, TextHit, words::folded},
    Answer, Number,
    terms::{Plan, plan},
};
use crate::ports::attributes::postgres::{Bind, Sql};

/// How long a search may take.
const SETTINGS: &str = "set local statement_timeout = '3s'; set local pg_trgm.similarity_threshold = 0.2;
    set local pg_trgm.word_similarity_threshold = 0.5";
/// Where fewer documents have all words, those that have some of them are found too.
const ENOUGH: i64 = 50;
/// So many documents are ranked or counted at most: the newest.
const RANKED: i64 = 20_000;
/// So many values of a facet are counted.
const VALUES: usize = 50;
/// `ts_rank`'s weights for D (unused), C (body), B (keywords), A (title).
const WEIGHTS: &str = "'{0.05, 0.2, 0.6, 1.0}'";
/// So much of a body a snippet is taken from, in characters.
const SNIPPET_FROM: usize = 10_000;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Double)]
    score: f64,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    body: String,
    #[diesel(sql_type = Bool)]
    whole: bool,
}

#[derive(QueryableByName)]
struct Value {
    #[diesel(sql_type = Text)]
    facet: String,
    #[diesel(sql_type = Text)]
    value: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Phrase {
    #[diesel(sql_type = Text)]
    shown: String,
}

/// What is matched: the condition of every statement of a search.
struct Match<'a> {
    build: i64,
    query: &'a Query,
    /// A `tsquery`; `None` matches everything.
    words: Option<String>,
    /// More may match than are ranked.
    many: bool,
}

impl Match<'_> {
    /// ` from … where …`, with the newest only where there are too many.
    fn rows(&self, sql: &mut Sql, columns: &str) {
        sql.push(&format!("select {columns} from words.d{} where not gone", self.build));
        if let Some(words) = &self.words {
            sql.with(" and tsv @@ ?::tsquery", Bind::Text(words.clone()));
        }
        sql.demand(&self.query.filter);
        if self.many {
            sql.push(&format!(" order by fresh_ms desc nulls last, id limit {RANKED}"));
        }
    }

    async fn count(&self, conn: &mut AsyncPgConnection, most: i64) -> Answer<i64> {
        let mut sql = Sql::new("select count(*) as n from (");
        let all = Match { many: false, words: self.words.clone(), ..*self };
        all.rows(&mut sql, "1");
        sql.push(&format!(" limit {most}) as matching"));
        Ok(sql.query().get_result::<Number>(conn).await?.n)
    }
}

/// Answers a question over a build.
pub(super) async fn search(
    conn: &mut AsyncPgConnection,
    build: i64,
    trigrams: bool,
    query: &Query,
) -> Answer<Found> {
    conn.transaction(async |conn| {
        conn.batch_execute(SETTINGS).await?;
        let plan = plan(conn, build, trigrams, &query.text).await?;
        let matching = matching(conn, build, query, &plan).await?;
        let total = matching.count(conn, RANKED + 1).await?;
        let rows = rows(conn, &matching, &plan).await?;
        let facets = facets(conn, &matching).await?;
        let hits = rows.into_iter().map(|row| hit(row, &plan)).collect();
        let estimated = total > RANKED;
        Ok(Found {
            hits,
            total: total.min(RANKED).cast_unsigned(),
            estimated,
            facets,
            did_you_mean: plan.meant,
        })
    })
    .await
}

/// Documents that have all words, or some where these are few. The decision does not depend on the page.
async fn matching<'a>(
    conn: &mut AsyncPgConnection,
    build: i64,
    query: &'a Query,
    plan: &Plan,
) -> Answer<Match<'a>> {
    let Some(least) = plan.terms.iter().map(|term| term.n).min() else {
        return Ok(Match { build, query, words: None, many: false });
    };
    let all = Match { build, query, words: Some(plan.all()), many: least > RANKED };
    if plan.terms.len() == 1 || all.count(conn, ENOUGH).await? >= ENOUGH {
        return Ok(all);
    }
    // The rarest words bring documents in; the others only count.
    let mut by_rarity: Vec<i64> = plan.terms.iter().map(|term| term.n).collect();
    by_rarity.sort_unstable();
    let mut sum = 0;
    let mut bound = least;
    for n in by_rarity {
        sum += n;
        if sum > RANKED {
            break;
        }
        bound = n;
    }
    let words = Some(plan.any(|term| term.n <= bound));
    Ok(Match { build, query, words, many: bound > RANKED })
}

fn order(sort: Sort, worded: bool) -> &'static str {
    match (sort, worded) {
        (Sort::Relevance, true) => "score desc, fresh_ms desc nulls last, id",
        (Sort::Relevance | Sort::Newest, false) => "fresh_ms desc nulls last, id",
        (Sort::Newest, true) => "fresh_ms desc nulls last, score desc, id",
        (Sort::BudgetHigh, _) => "budget_minor desc nulls last, score desc, id",
        (Sort::BudgetLow, _) => "budget_minor asc nulls last, score desc, id",
        (Sort::Rating, _) => "rating_milli desc nulls last, score desc, id",
        (Sort::Soonest, _) => "starts_ms asc nulls last, score desc, id",
    }
}

async fn rows(conn: &mut AsyncPgConnection, matching: &Match<'_>, plan: &Plan) -> Answer<Vec<Row>> {
    let Query { sort, offset, limit, .. } = *matching.query;
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new("with matching as (");
    matching.rows(&mut sql, "id, tsv, fresh_ms, budget_minor, rating_milli, starts_ms");
    let order = order(sort, !plan.terms.is_empty());
    sql.push("), judged as (select *, ");
    match plan.terms.is_empty() {
        true => sql.push("false as whole from matching)"),
        false => sql.with("tsv @@ ?::tsquery as whole from matching)", Bind::Text(plan.typed())),
    }
    // Those with every word as typed come first.
    let kept = "id, fresh_ms, budget_minor, rating_milli, starts_ms, whole";
    sql.push(&format!(", ranked as (select {kept}, (0.5 * whole::int + 0.5 * (0.0"));
    for term in &plan.terms {
        // `ts_rank` is the mean over a query's lexemes, of which a document has one or two.
        sql.push(&format!(" + {:.6} * least(1.0, {} * ts_rank({WEIGHTS}, tsv, ", term.weight, term.size));
        sql.with("?::tsquery, 1))", Bind::Text(term.query.clone()));
    }
    sql.push(&format!("))::float8 as score from judged order by {order} offset {offset} limit {limit})"));
    sql.push(&format!(
        " select id, r.score, r.whole, d.title, left(d.body, {SNIPPET_FROM}) as body
         from (select *, row_number() over (order by {order}) as place from ranked) as r
         join words.d{} as d using (id) order by r.place",
        matching.build
    ));
    Ok(sql.query().load(conn).await?)
}

fn hit(row: Row, plan: &Plan) -> TextHit {
    #[expect(clippy::cast_possible_truncation, reason = "a part of one")]
    let score = row.score.clamp(0.0, 1.0) as f32;
    TextHit {
        id: row.id,
        score,
        title: plan.matcher.highlight(&row.title),
        snippet: plan.matcher.snippet(&row.body),
        whole: row.whole,
    }
}

async fn facets(
    conn: &mut AsyncPgConnection,
    matching: &Match<'_>,
) -> Answer<BTreeMap<Facet, Vec<(String, u64)>>> {
    let wanted = &matching.query.facets;
    if wanted.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut sql = Sql::new("with matching as materialized (");
    matching.rows(&mut sql, "skills, languages, level, remote, tags, currency");
    if !matching.many {
        sql.push(&format!(" limit {RANKED}"));
    }
    sql.push(") ");
    let mut counted: BTreeMap<Facet, Vec<(String, u64)>> =
        wanted.iter().map(|facet| (*facet, Vec::new())).collect();
    for (n, facet) in counted.keys().enumerate() {
        let name = facet.name();
        let values = match facet {
            Facet::Skills | Facet::Languages | Facet::Tags => {
                // A value that a document names twice counts once.
                format!("matching, lateral (select distinct unnest({name}) as value) as each")
            }
            Facet::Level | Facet::Remote | Facet::Currency => {
                format!("(select {name}::text as value from matching where {name} is not null) as each")
            }
        };
        sql.push(if n > 0 { " union all " } else { "" });
        sql.push(&format!(
            "(select '{name}' as facet, value, count(*) as n from {values}
              group by value order by n desc, value limit {VALUES})"
        ));
    }
    let rows: Vec<Value> = sql.query().load(conn).await?;
    for row in rows {
        if let Some((_, values)) = counted.iter_mut().find(|(facet, _)| facet.name() == row.facet) {
            values.push((row.value, row.n.cast_unsigned()));
        }
    }
    for values in counted.values_mut() {
        values.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    }
    Ok(counted)
}

/// Phrases that begin so; then those with a word that does; then those that look like it.
pub(super) async fn suggest(
    conn: &mut AsyncPgConnection,
    build: i64,
    trigrams: bool,
    prefix: &str,
    limit: usize,
) -> Answer<Vec<String>> {
    let prefix = folded(prefix);
    if prefix.is_empty() {
        return Ok(Vec::new());
    }
    conn.transaction(async |conn| {
        conn.batch_execute(SETTINGS).await?;
        let from = format!("select shown from words.s{build} where ");
        let mut begins = Sql::new(from.clone());
        let arg = begins.arg(Bind::Text(prefix.clone()));
        begins.push(&format!(
            "folded >= {arg} and folded < {arg} || chr(1114111) order by n desc, length(folded), folded"
        ));
        let mut found = phrases(conn, begins, limit).await?;
        if found.len() < limit && trigrams {
            let mut inside = Sql::new(from.clone());
            // The folded text has no character that LIKE reads as another.
            inside.with("folded like ?", Bind::Text(format!("% {prefix}%")));
            inside.push(" order by n desc, length(folded), folded");
            found.extend(phrases(conn, inside, limit).await?);
        }
        if found.is_empty() && trigrams {
            let mut like = Sql::new(from);
            let arg = like.arg(Bind::Text(prefix));
            like.push(&format!(
                "{arg} <% folded order by word_similarity({arg}, folded) desc, n desc, folded"
            ));
            found = phrases(conn, like, limit).await?;
        }
        let mut seen = std::collections::HashSet::new();
        found.retain(|phrase| seen.insert(phrase.clone()));
        found.truncate(limit);
        Ok(found)
    })
    .await
}

async fn phrases(conn: &mut AsyncPgConnection, mut sql: Sql, limit: usize) -> Answer<Vec<String>> {
    sql.push(&format!(" limit {limit}"));
    let rows = sql.query().load::<Phrase>(conn).await?;
    Ok(rows.into_iter().map(|row| row.shown).collect())
}
