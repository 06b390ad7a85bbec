//! Searching, counting, suggesting.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use meilisearch_sdk::{
    request::{HttpClient, Method},
    search::{MatchRange, SearchResult, SearchResults},
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    super::{
        Facet, Found, Highlighted, Query, Sort, TextHit, WORDS,
        words::{distance, fold, forgiven, words},
    },
    Answer, Server,
    documents::{Shown, keys},
    fault,
    filter::{demand, word},
};
use crate::ports::attributes::Filter;

/// So many values of a facet are given.
const VALUES: usize = 50;
/// Where fewer documents are found, those that have any of the words are found too.
const ENOUGH: u64 = 50;
/// What a rare word counts beside the whole text.
const ALONE: f64 = 0.5;
/// What comes back of a document.
const FIELDS: [&str; 5] = ["id", "title", "keywords", "body", "respelt"];

type Places = HashMap<String, Vec<MatchRange>>;

fn sorted(query: &Query) -> Vec<&'static str> {
    match query.sort {
        Sort::Relevance if query.text.trim().is_empty() => vec!["fresh_ms:desc"],
        Sort::Relevance => Vec::new(),
        Sort::Newest => vec!["fresh_ms:desc"],
        Sort::BudgetHigh => vec!["budget_minor:desc"],
        Sort::BudgetLow => vec!["budget_minor:asc"],
        Sort::Rating => vec!["rating_milli:desc"],
        Sort::Soonest => vec!["starts_ms:asc"],
    }
}

/// What is wanted, but for the page.
fn asked(query: &Query) -> Value {
    let mut asked = json!({
        "q": plain(&query.text),
        "filter": demand(&query.filter),
        "attributesToRetrieve": FIELDS,
        "showMatchesPosition": true,
        "showRankingScore": true,
        "matchingStrategy": "frequency",
    });
    let sort = sorted(query);
    if !sort.is_empty() {
        asked["sort"] = sort.into();
    }
    asked
}

/// Which page of it. Pages of one length are counted exactly; other pieces by an estimate.
fn paged(query: &Query, body: &mut Value) {
    if query.limit == 0 || query.offset.is_multiple_of(query.limit) {
        body["hitsPerPage"] = query.limit.into();
        body["page"] = (query.offset.checked_div(query.limit).unwrap_or_default() + 1).into();
    } else {
        body["offset"] = query.offset.into();
        body["limit"] = query.limit.into();
    }
}

fn body(query: &Query) -> Value {
    let mut body = asked(query);
    if !query.facets.is_empty() {
        body["facets"] = query.facets.iter().map(|facet| facet.name()).collect();
    }
    paged(query, &mut body);
    body
}

/// The words of a text, each once and none as the beginning of another: a space ends them.
fn apart(text: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for word in words(text).into_iter().take(WORDS) {
        if let Some(typed) = text.get(word.start..word.end)
            && seen.insert(word.folded)
        {
            all.push(format!("{typed} "));
        }
    }
    all
}

/// How much a word tells that so many of all documents have: 1 where it is one of them.
#[expect(clippy::cast_precision_loss, reason = "counts of documents")]
fn rarity(all: u64, with: u64) -> f64 {
    let (all, with) = (all.max(1) as f64, with.max(1) as f64);
    ((1.0 + all / with).ln() / (1.0 + all).ln()).min(1.0)
}

type Distribution = HashMap<String, HashMap<String, usize>>;

/// Several questions' answers as one list.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Merged {
    hits: Vec<SearchResult<Shown>>,
    total_hits: Option<u64>,
    estimated_total_hits: Option<u64>,
    facets_by_index: Option<HashMap<String, Counted>>,
}

#[derive(Deserialize)]
struct Counted {
    distribution: Distribution,
}

fn told(
    query: &Query,
    hits: Vec<SearchResult<Shown>>,
    exact: Option<u64>,
    estimate: Option<u64>,
    facets: Option<Distribution>,
) -> Found {
    let did_you_mean = meant(&query.text, &hits);
    let typed = typed(&query.text);
    let scored = |one: SearchResult<Shown>| {
        let score = one.federation.as_ref().map(|from| f64::from(from.weighted_ranking_score));
        hit(one, score, &typed)
    };
    Found {
        hits: hits.into_iter().map(scored).collect(),
        total: exact.or(estimate).unwrap_or_default(),
        estimated: exact.is_none(),
        facets: counted(&query.facets, facets),
        did_you_mean,
    }
}

/// What was typed, without what Meilisearch reads as operators: quotes and a leading minus.
fn plain(text: &str) -> String {
    let bare: Vec<_> =
        text.split_whitespace().map(|part| part.trim_start_matches('-').replace('"', " ")).collect();
    bare.join(" ")
}

fn ranges(places: Option<&Places>, field: &str) -> Vec<(usize, usize)> {
    let found = places.and_then(|places| places.get(field));
    found.into_iter().flatten().map(|place| (place.start, place.start + place.length)).collect()
}

fn hit(found: SearchResult<Shown>, score: Option<f64>, typed: &[String]) -> TextHit {
    let whole = is_whole(&found, typed);
    let places = found.matches_position.as_ref();
    let title = Highlighted::with(found.result.title.clone(), ranges(places, "title"));
    let body = Highlighted::with(found.result.body.clone(), ranges(places, "body"));
    #[expect(clippy::cast_possible_truncation, reason = "a part of one")]
    let score = score.or(found.ranking_score).unwrap_or_default().clamp(0.0, 1.0) as f32;
    TextHit { id: found.result.id, score, title, snippet: body.cut(), whole }
}

/// The pieces of a document that were taken for what was typed.
fn pieces(found: &SearchResult<Shown>) -> Vec<&str> {
    let Some(places) = &found.matches_position else { return Vec::new() };
    let shown = &found.result;
    let mut pieces: Vec<&str> = Vec::new();
    for (field, text) in [("title", shown.title.as_str()), ("body", shown.body.as_str())] {
        let inside = ranges(Some(places), field).into_iter();
        pieces.extend(inside.filter_map(|(start, end)| text.get(start..end)));
    }
    for (field, texts) in [("keywords", &shown.keywords), ("respelt", &shown.respelt)] {
        for place in places.get(field).into_iter().flatten() {
            let which = place.indices.as_ref().and_then(|indices| indices.first()).copied();
            let text = which.and_then(|which| texts.get(which));
            pieces.extend(text.and_then(|text| text.get(place.start..place.start + place.length)));
        }
    }
    pieces
}

/// Whether what was taken has each of these folded words, or a form of it. Only what Meilisearch marked is
/// looked at: it reads no stems, so a form is the word's beginning (what is marked there) or its plural.
fn is_whole(found: &SearchResult<Shown>, typed: &[String]) -> bool {
    if typed.is_empty() {
        return false;
    }
    let taken: BTreeSet<String> =
        pieces(found).into_iter().flat_map(words).map(|word| singular(word.folded)).collect();
    typed.iter().all(|word| taken.contains(word))
}

/// The words of a query, as [`is_whole`] compares them.
fn typed(text: &str) -> Vec<String> {
    words(text).into_iter().take(WORDS).map(|word| singular(word.folded)).collect()
}

/// Without an English plural's ending; D. Harman, "How effective is suffixing?", JASIS 42 (1991), the “S” stemmer.
fn singular(word: String) -> String {
    let ends = |tail: &str| word.ends_with(tail);
    if ends("ies") && !ends("eies") && !ends("aies") {
        format!("{}y", &word[..word.len() - 3])
    } else if (ends("es") && !ends("aes") && !ends("ees") && !ends("oes"))
        || (ends("s") && !ends("us") && !ends("ss"))
    {
        word[..word.len() - 1].to_owned()
    } else {
        word
    }
}

/// The words of documents that were taken for what was typed, with how often.
fn taken(hits: &[SearchResult<Shown>]) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for piece in hits.iter().flat_map(pieces) {
        *all.entry(fold(piece)).or_default() += 1;
    }
    all
}

/// The text with words replaced that nothing was found for, by those that were found instead.
fn meant(text: &str, hits: &[SearchResult<Shown>]) -> Option<String> {
    let taken = taken(hits);
    let mut out = String::new();
    let mut at = 0;
    for typed in words(text) {
        let own = typed.folded.as_str();
        let most = forgiven(own.chars().count());
        if most == 0 || taken.keys().any(|word| word.starts_with(own)) {
            continue;
        }
        let near = taken.iter().filter_map(|(word, n)| Some((distance(own, word, false, most)?, *n, word)));
        let best = near.min_by_key(|(off, n, _)| (*off, std::cmp::Reverse(*n)));
        if let Some((_, _, word)) = best {
            out.push_str(text.get(at..typed.start)?);
            out.push_str(word);
            at = typed.end;
        }
    }
    if at == 0 {
        return None;
    }
    out.push_str(text.get(at..)?);
    Some(out.trim().to_owned())
}

fn counted(asked: &[Facet], found: Option<Distribution>) -> BTreeMap<Facet, Vec<(String, u64)>> {
    let mut found = found.unwrap_or_default();
    let mut all = BTreeMap::new();
    for facet in asked {
        let values = found.remove(facet.name()).unwrap_or_default();
        let mut values: Vec<_> = values.into_iter().map(|(value, n)| (word(&value), n as u64)).collect();
        values.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        values.truncate(VALUES);
        all.insert(*facet, values);
    }
    all
}

impl Server {
    async fn ask<T>(&self, uid: &str, body: Value) -> Answer<SearchResults<T>>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let url = format!("{}/indexes/{uid}/search", self.host);
        self.http.request(&url, Method::Post { query: (), body }, 200).await.map_err(fault)
    }

    /// Meilisearch drops words from the most frequent on, those that are equally frequent together, and never
    /// the last of them. So where that finds little, each word that is not everywhere is asked for alone, too.
    pub async fn search(&self, uid: &str, query: &Query) -> Answer<Found> {
        let found: SearchResults<Shown> = self.ask(uid, body(query)).await?;
        let exact = found.total_hits.map(|n| n as u64);
        let estimate = found.estimated_total_hits.map(|n| n as u64);
        if exact.or(estimate).is_none_or(|total| total < ENOUGH) {
            let parts = self.parts(uid, query).await?;
            if !parts.is_empty() {
                return self.search_parts(uid, query, &parts).await;
            }
        }
        Ok(told(query, found.hits, exact, estimate, found.facet_distribution))
    }

    /// The words of a query that may stand alone, with what each counts.
    async fn parts(&self, uid: &str, query: &Query) -> Answer<Vec<(String, f64)>> {
        #[derive(Deserialize)]
        struct Counts {
            results: Vec<Count>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Count {
            total_hits: u64,
        }
        let alone = apart(&query.text);
        if alone.len() < 2 {
            return Ok(Vec::new());
        }
        let filter = demand(&query.filter);
        let one = |text: &str| {
            json!({
                "indexUid": uid,
                "q": text,
                "filter": filter,
                "matchingStrategy": "all",
                "hitsPerPage": 0,
                "page": 1,
            })
        };
        let queries: Vec<_> = std::iter::once("").chain(alone.iter().map(String::as_str)).map(one).collect();
        let (url, body) = (format!("{}/multi-search", self.host), json!({ "queries": queries }));
        let counted: Counts =
            self.http.request(&url, Method::Post { query: (), body }, 200).await.map_err(fault)?;
        let mut counts = counted.results.into_iter().map(|count| count.total_hits);
        let all = counts.next().unwrap_or_default();
        let most = ENOUGH.max(all / 10);
        let rare = alone.into_iter().zip(counts).filter(|(_, with)| (1..=most).contains(with));
        Ok(rare.map(|(word, with)| (word, ALONE * rarity(all, with))).collect())
    }

    async fn search_parts(&self, uid: &str, query: &Query, parts: &[(String, f64)]) -> Answer<Found> {
        let mut whole = asked(query);
        whole["indexUid"] = uid.into();
        let mut queries = vec![whole.clone()];
        for (word, weight) in parts {
            let mut part = whole.clone();
            part["q"] = word.as_str().into();
            part["federationOptions"] = json!({ "weight": weight });
            queries.push(part);
        }
        let mut federation = json!({});
        paged(query, &mut federation);
        if !query.facets.is_empty() {
            federation["facetsByIndex"][uid] = query.facets.iter().map(|facet| facet.name()).collect();
        }
        let url = format!("{}/multi-search", self.host);
        let body = json!({ "federation": federation, "queries": queries });
        let found: Merged =
            self.http.request(&url, Method::Post { query: (), body }, 200).await.map_err(fault)?;
        let facets = found.facets_by_index.and_then(|mut all| all.remove(uid)).map(|own| own.distribution);
        Ok(told(query, found.hits, found.total_hits, found.estimated_total_hits, facets))
    }

    pub async fn suggest(&self, uid: &str, prefix: &str, limit: usize) -> Answer<Vec<String>> {
        let body = json!({
            "q": plain(prefix),
            "filter": "gone = false",
            "attributesToRetrieve": FIELDS,
            "attributesToSearchOn": ["title", "keywords"],
            "showMatchesPosition": true,
            "limit": 20,
        });
        let found: SearchResults<Shown> = self.ask(uid, body).await?;
        let mut phrases: Vec<String> = Vec::new();
        let mut add = |phrase: &str| {
            let phrase = phrase.trim();
            if !phrase.is_empty() && phrase.chars().count() <= 120 && !phrases.iter().any(|p| p == phrase) {
                phrases.push(phrase.to_owned());
            }
        };
        for one in &found.hits {
            let places = one.matches_position.as_ref();
            if !ranges(places, "title").is_empty() {
                add(&one.result.title);
            }
            for place in places.and_then(|places| places.get("keywords")).into_iter().flatten() {
                let which = place.indices.as_ref().and_then(|indices| indices.first()).copied();
                if let Some(phrase) = which.and_then(|which| one.result.keywords.get(which)) {
                    add(phrase);
                }
            }
        }
        // Those that begin so come first.
        let begins = fold(prefix);
        phrases.sort_by_key(|phrase| !fold(phrase).starts_with(&begins));
        phrases.truncate(limit);
        Ok(phrases)
    }

    pub async fn count(&self, uid: &str) -> Answer<u64> {
        #[derive(Deserialize)]
        struct None {}
        let body = json!({ "q": "", "filter": "gone = false", "hitsPerPage": 0, "page": 1 });
        let found: SearchResults<None> = self.ask(uid, body).await?;
        // `maxTotalHits` bounds what a search counts; a fetch of documents counts all.
        let bound = (super::super::DEEPEST + super::super::MOST) as u64;
        match found.total_hits.map(|n| n as u64) {
            Some(n) if n < bound => Ok(n),
            _ => self.count_all(uid).await,
        }
    }

    async fn count_all(&self, uid: &str) -> Answer<u64> {
        #[derive(Deserialize)]
        struct Page {
            total: u64,
        }
        let url = format!("{}/indexes/{uid}/documents/fetch", self.host);
        let body = json!({ "filter": "gone = false", "fields": ["id"], "limit": 0 });
        let page: Page =
            self.http.request(&url, Method::Post { query: (), body }, 200).await.map_err(fault)?;
        Ok(page.total)
    }

    pub async fn ids(&self, uid: &str, after: Option<Uuid>, limit: usize) -> Answer<Vec<(Uuid, i64)>> {
        #[derive(Deserialize)]
        struct One {
            id: Uuid,
            revision: i64,
        }
        let mut wanted = demand(&Filter::default());
        if let Some(after) = after {
            let [a, b, c] = keys(after);
            wanted.push_str(&format!(
                " AND (k1 > {a} OR (k1 = {a} AND k2 > {b}) OR (k1 = {a} AND k2 = {b} AND k3 > {c}))"
            ));
        }
        let body = json!({
            "q": "",
            "filter": wanted,
            "attributesToRetrieve": ["id", "revision"],
            "sort": ["k1:asc", "k2:asc", "k3:asc"],
            "limit": limit,
        });
        let found: SearchResults<One> = self.ask(uid, body).await?;
        Ok(found.hits.into_iter().map(|one| (one.result.id, one.result.revision)).collect())
    }
}
