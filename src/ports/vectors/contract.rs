//! What every adapter of the vector store keeps to.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Collection, Hit, Point, VectorError, VectorStore};
use crate::ports::attributes::{Attributes, Filter};

/// Everything. `mark` keeps apart what several runs do in one store.
pub(crate) fn keeps_to_it(store: &VectorStore, runtime: &Runtime, mark: &str) {
    runtime.block_on(finds_what_is_near(store, &format!("near_{mark}")));
    runtime.block_on(revisions_decide(store, &format!("rev_{mark}")));
    runtime.block_on(versions_are_swapped(store, &format!("swap_{mark}")));
    runtime.block_on(refuses_what_cannot_be(store, &format!("bad_{mark}")));
    behaves_as_a_map(store, runtime, &format!("map_{mark}"));
}

fn id(n: u64) -> Uuid {
    // Random ones differ in every byte; these too.
    Uuid::from_u128(u128::from(n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn point(n: u64, revision: i64, vector: &[f32]) -> Point {
    Point { id: id(n), revision, vector: vector.to_vec(), payload: Attributes::default() }
}

async fn finds_what_is_near(store: &VectorStore, name: &str) {
    let c = Collection::new(name, "toy-1", 3);
    store.ready(&c).await.unwrap();
    store.ready(&c).await.unwrap();
    assert!(store.nearest(&c, &[1.0, 0.0, 0.0], &Filter::default(), 5).await.unwrap().is_empty());
    let points = [
        point(0, 1, &[2.0, 0.0, 0.0]),
        point(1, 1, &[0.6, 0.8, 0.0]),
        point(2, 1, &[0.0, 0.0, 9.0]),
        point(3, 1, &[-1.0, 0.0, 0.0]),
    ];
    store.upsert(&c, &points).await.unwrap();
    store.upsert(&c, &[]).await.unwrap();
    assert_eq!(store.count(&c).await.unwrap(), 4);
    let hits = store.nearest(&c, &[10.0, 0.0, 0.0], &Filter::default(), 9).await.unwrap();
    let wanted = [(id(0), 1.0), (id(1), 0.6), (id(2), 0.0), (id(3), -1.0)];
    assert_eq!(hits.len(), 4);
    for (hit, (id, score)) in hits.iter().zip(wanted) {
        assert!(hit.id == id && (hit.score - score).abs() < 1e-5, "{hits:?}");
    }
    assert_eq!(store.nearest(&c, &[1.0, 0.0, 0.0], &Filter::default(), 2).await.unwrap().len(), 2);
    assert!(store.nearest(&c, &[1.0, 0.0, 0.0], &Filter::default(), 0).await.unwrap().is_empty());

    let vectors = store.vector_of(&c, &[id(0), id(1), id(77)]).await.unwrap();
    let vectors: BTreeMap<_, _> = vectors.into_iter().collect();
    assert_eq!(vectors.len(), 2);
    let unit = |v: &[f32]| (v.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5;
    assert!(unit(&vectors[&id(0)]) && (vectors[&id(1)][1] - 0.8).abs() < 1e-5, "{vectors:?}");
}

async fn revisions_decide(store: &VectorStore, name: &str) {
    let c = Collection::new(name, "toy-1", 2);
    store.ready(&c).await.unwrap();
    let (x, y) = ([1.0, 0.0], [0.0, 1.0]);
    let there = async || store.vector_of(&c, &[id(1)]).await.unwrap().pop().map(|(_, v)| v[0].round());
    store.upsert(&c, &[point(1, 5, &x)]).await.unwrap();
    store.upsert(&c, &[point(1, 4, &y)]).await.unwrap();
    assert_eq!(there().await, Some(1.0), "an older revision was taken");
    store.upsert(&c, &[point(1, 5, &y)]).await.unwrap();
    assert_eq!(there().await, Some(0.0), "the same revision is written again");
    store.delete(&c, &[(id(1), 4)]).await.unwrap();
    assert_eq!(there().await, Some(0.0), "an older deletion was taken");
    store.delete(&c, &[(id(1), 5)]).await.unwrap();
    assert_eq!(there().await, None);
    store.upsert(&c, &[point(1, 5, &x)]).await.unwrap();
    assert_eq!(there().await, None, "at the same revision a deletion wins");
    // A deletion that comes before what it deletes.
    store.delete(&c, &[(id(2), 9)]).await.unwrap();
    store.upsert(&c, &[point(2, 8, &x)]).await.unwrap();
    assert_eq!(store.count(&c).await.unwrap(), 0);
    assert!(store.nearest(&c, &x, &Filter::default(), 5).await.unwrap().is_empty());
    assert!(store.ids(&c, None, 5).await.unwrap().is_empty());
    store.upsert(&c, &[point(2, 1 << 53, &x), point(1, 6, &x)]).await.unwrap();
    assert_eq!(store.count(&c).await.unwrap(), 2);
    store.upsert(&c, &[point(2, (1 << 53) - 1, &y)]).await.unwrap();
    let all = store.ids(&c, None, 5).await.unwrap();
    assert!(all.contains(&(id(2), 1 << 53)), "{all:?}");
    // What happens at once: the highest revision is what stays.
    let writes = (0..20_i64).map(|revision| {
        let turned = if revision == 19 { x } else { y };
        async move { store.upsert(&Collection::new(name, "toy-1", 2), &[point(3, revision, &turned)]).await }
    });
    for done in futures_util::future::join_all(writes).await {
        done.unwrap();
    }
    let last = store.vector_of(&c, &[id(3)]).await.unwrap();
    assert_eq!(last[0].1[0].round(), 1.0, "{last:?}");
}

async fn versions_are_swapped(store: &VectorStore, name: &str) {
    assert_eq!(store.live(name).await.unwrap(), None);
    assert!(store.versions(name).await.unwrap().is_empty());
    let old = Collection::new(name, "toy-1", 2);
    let new = Collection::new(name, "toy-2", 3);
    let again = new.next(7);
    assert!(matches!(store.promote(&old).await, Err(VectorError::Missing(_))));
    assert!(matches!(store.count(&old).await, Err(VectorError::Missing(_))));
    let missing = store.upsert(&old, &[point(1, 1, &[1.0, 0.0])]).await;
    assert!(matches!(missing, Err(VectorError::Missing(_))), "{missing:?}");
    store.ready(&old).await.unwrap();
    store.promote(&old).await.unwrap();
    assert_eq!(store.live(name).await.unwrap().as_ref(), Some(&old));
    store.upsert(&old, &[point(1, 1, &[1.0, 0.0])]).await.unwrap();
    store.ready(&new).await.unwrap();
    store.ready(&again).await.unwrap();
    store.upsert(&new, &[point(2, 1, &[1.0, 0.0, 0.0])]).await.unwrap();
    assert_eq!(store.live(name).await.unwrap().as_ref(), Some(&old), "it is not live by being there");
    let mut all = store.versions(name).await.unwrap();
    all.sort_by_key(|c| (c.model.clone(), c.build));
    assert_eq!(all, [old.clone(), new.clone(), again.clone()]);
    store.promote(&new).await.unwrap();
    assert_eq!(store.live(name).await.unwrap().as_ref(), Some(&new));
    assert!(matches!(store.remove(&new).await, Err(VectorError::Invalid(_))), "searches use it");
    store.remove(&old).await.unwrap();
    store.remove(&old).await.unwrap();
    store.remove(&again).await.unwrap();
    assert_eq!(store.versions(name).await.unwrap(), std::slice::from_ref(&new));
    assert!(matches!(store.count(&old).await, Err(VectorError::Missing(_))));
    assert_eq!(store.count(&new).await.unwrap(), 1);
}

async fn refuses_what_cannot_be(store: &VectorStore, name: &str) {
    let c = Collection::new(name, "toy-1", 2);
    store.ready(&c).await.unwrap();
    let wrong = store.upsert(&c, &[point(1, 1, &[1.0])]).await;
    assert_eq!(wrong, Err(VectorError::Dimension { wanted: 2, found: 1 }));
    let wrong = store.nearest(&c, &[1.0, 0.0, 0.0], &Filter::default(), 3).await;
    assert_eq!(wrong, Err(VectorError::Dimension { wanted: 2, found: 3 }));
    for vector in [[0.0, 0.0], [f32::NAN, 1.0], [f32::INFINITY, 1.0]] {
        assert!(matches!(store.upsert(&c, &[point(1, 1, &vector)]).await, Err(VectorError::Invalid(_))));
    }
    for revision in [-1, (1 << 53) + 1] {
        assert!(store.upsert(&c, &[point(1, revision, &[1.0, 0.0])]).await.is_err());
        assert!(store.delete(&c, &[(id(1), revision)]).await.is_err());
    }
    for bad in ["", "A", "a-b", "a b", "a'b"] {
        assert!(store.ready(&Collection::new(bad, "m", 2)).await.is_err(), "{bad:?}");
    }
    let nul = Filter { any_skills: vec!["a\0b".into()], ..Filter::default() };
    assert!(store.nearest(&c, &[1.0, 0.0], &nul, 3).await.unwrap().is_empty());
    assert_eq!(store.count(&c).await.unwrap(), 0);
}

/// Words that a sloppy query builder would stumble over, too.
fn word() -> impl Strategy<Value = String> {
    let words = ["rust", "sql", "c++", "a'b", "x\"y", "\\", "{1,2}", "日本", "a b", "$1"];
    (0..words.len()).prop_map(move |n| words[n].to_owned())
}

fn words() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(word(), 0..3)
}

pub(crate) fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000).unwrap()
}

fn time() -> impl Strategy<Value = Option<DateTime<Utc>>> {
    proptest::option::of((0_i64..5).prop_map(|n| moment() + TimeDelta::milliseconds(n)))
}

fn owner() -> impl Strategy<Value = Uuid> {
    (100_u64..103).prop_map(id)
}

pub(crate) fn attributes() -> impl Strategy<Value = Attributes> {
    let number = || proptest::option::of(0_i64..4);
    let plain = (proptest::option::of(owner()), words(), words(), proptest::option::of(word()), words());
    let rest = (proptest::option::of(any::<bool>()), proptest::option::of(word()), number(), number());
    (plain, rest, time(), time(), any::<bool>()).prop_map(
        |(
            (owner, skills, languages, level, tags),
            (remote, currency, budget, rating),
            starts,
            fresh,
            open,
        )| {
            Attributes {
                owner,
                skills,
                languages,
                level,
                remote,
                tags,
                currency,
                budget_minor: budget,
                rating_milli: rating,
                starts_at: starts,
                ends_at: starts.map(|at| at + TimeDelta::hours(1)),
                fresh_at: fresh,
                open,
            }
        },
    )
}

/// Filters, most of which demand one or two things.
pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    let ids = || proptest::collection::vec((0_u64..12).prop_map(id), 0..6);
    let one = prop_oneof![
        words().prop_map(|any_skills| Filter { any_skills, ..Filter::default() }),
        words().prop_map(|all_skills| Filter { all_skills, ..Filter::default() }),
        words().prop_map(|languages| Filter { languages, ..Filter::default() }),
        words().prop_map(|levels| Filter { levels, ..Filter::default() }),
        words().prop_map(|tags| Filter { tags, ..Filter::default() }),
        any::<bool>().prop_map(|remote| Filter { remote: Some(remote), ..Filter::default() }),
        word().prop_map(|currency| Filter { currency: Some(currency), ..Filter::default() }),
        (0_i64..4).prop_map(|least| Filter { budget_min: Some(least), ..Filter::default() }),
        (0_i64..4).prop_map(|most| Filter { budget_max: Some(most), ..Filter::default() }),
        (0_i64..4).prop_map(|least| Filter { rating_min: Some(least), ..Filter::default() }),
        time().prop_map(|after| Filter { after, ..Filter::default() }),
        time().prop_map(|before| Filter { before, ..Filter::default() }),
        time().prop_map(|fresh_after| Filter { fresh_after, ..Filter::default() }),
        Just(Filter { open_only: true, ..Filter::default() }),
        ids().prop_map(|not_ids| Filter { not_ids, ..Filter::default() }),
        proptest::collection::vec(owner(), 0..3)
            .prop_map(|not_owners| Filter { not_owners, ..Filter::default() }),
        ids().prop_map(|only| Filter { only_ids: Some(only), ..Filter::default() }),
    ];
    let one = one.boxed();
    (one.clone(), proptest::option::of(one)).prop_map(|(a, b)| match b {
        Some(b) => both(a, b),
        None => a,
    })
}

fn both(a: Filter, b: Filter) -> Filter {
    let longer = |a: Vec<String>, b: Vec<String>| if a.is_empty() { b } else { a };
    Filter {
        any_skills: longer(a.any_skills, b.any_skills),
        all_skills: longer(a.all_skills, b.all_skills),
        languages: longer(a.languages, b.languages),
        levels: longer(a.levels, b.levels),
        remote: a.remote.or(b.remote),
        tags: longer(a.tags, b.tags),
        currency: a.currency.or(b.currency),
        budget_min: a.budget_min.or(b.budget_min),
        budget_max: a.budget_max.or(b.budget_max),
        rating_min: a.rating_min.or(b.rating_min),
        after: a.after.or(b.after),
        before: a.before.or(b.before),
        fresh_after: a.fresh_after.or(b.fresh_after),
        open_only: a.open_only || b.open_only,
        not_ids: if a.not_ids.is_empty() { b.not_ids } else { a.not_ids },
        not_owners: if a.not_owners.is_empty() { b.not_owners } else { a.not_owners },
        only_ids: a.only_ids.or(b.only_ids),
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<(u64, i64, [i8; 3], Attributes)>),
    Gone(Vec<(u64, i64)>),
    Ask([i8; 3], Box<Filter>, usize),
}

fn direction() -> impl Strategy<Value = [i8; 3]> {
    [-3_i8..4, -3_i8..4, -3_i8..4].prop_filter("no direction", |v| v.iter().any(|x| *x != 0))
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let put = proptest::collection::vec((0_u64..12, 0_i64..6, direction(), attributes()), 1..5);
    let gone = proptest::collection::vec((0_u64..12, 0_i64..6), 1..3);
    let step = prop_oneof![
        3 => put.prop_map(Step::Put),
        1 => gone.prop_map(Step::Gone),
        4 => (direction(), filter(), 1_usize..8).prop_map(|(v, f, n)| Step::Ask(v, Box::new(f), n)),
    ];
    proptest::collection::vec(step, 1..14)
}

fn real(v: [i8; 3]) -> [f32; 3] {
    v.map(f32::from)
}

fn cosine(a: [i8; 3], b: [i8; 3]) -> f32 {
    let dot = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let (a, b) = (real(a), real(b));
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// What a point is to be: its revision, and what it holds unless it is gone.
type Truth = BTreeMap<Uuid, (i64, Option<([i8; 3], Attributes)>)>;

/// Any sequence of writes and questions, beside a map that is searched by hand.
fn behaves_as_a_map(store: &VectorStore, runtime: &Runtime, name: &str) {
    let build = std::cell::Cell::new(0);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let config = ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() };
    let done = TestRunner::new(config).run(&steps(), |steps| {
        build.set(build.get() + 1);
        let c = Collection::new(name, "toy-1", 3).next(build.get());
        runtime.block_on(async {
            store.ready(&c).await.unwrap();
            let mut truth = Truth::new();
            for step in steps {
                take(store, &c, &mut truth, step).await;
            }
            let mut all = Vec::new();
            while let Ok(page) = store.ids(&c, all.last().map(|(id, _)| *id), 3).await
                && !page.is_empty()
            {
                all.extend(page);
            }
            let there: Vec<_> =
                truth.iter().filter(|(_, (_, held))| held.is_some()).map(|(id, (r, _))| (*id, *r)).collect();
            assert_eq!(all, there);
            assert_eq!(store.count(&c).await.unwrap(), there.len() as u64);
            store.remove(&c).await.unwrap();
        });
        Ok(())
    });
    done.unwrap_or_else(|e| panic!("{e}"));
}

async fn take(store: &VectorStore, c: &Collection, truth: &mut Truth, step: Step) {
    match step {
        Step::Put(rows) => {
            let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.0, row)).collect();
            let mut points = Vec::new();
            for (n, revision, vector, payload) in rows.into_values() {
                points.push(Point {
                    id: id(n),
                    revision,
                    vector: real(vector).to_vec(),
                    payload: payload.clone(),
                });
                let held = truth.get(&id(n));
                if held.is_none_or(|(was, held)| *was < revision || (*was == revision && held.is_some())) {
                    truth.insert(id(n), (revision, Some((vector, payload))));
                }
            }
            store.upsert(c, &points).await.unwrap();
        }
        Step::Gone(ids) => {
            let ids: BTreeMap<_, _> = ids.into_iter().collect();
            let ids: Vec<_> = ids.into_iter().map(|(n, revision)| (id(n), revision)).collect();
            store.delete(c, &ids).await.unwrap();
            for (id, revision) in ids {
                if truth.get(&id).is_none_or(|(was, _)| *was <= revision) {
                    truth.insert(id, (revision, None));
                }
            }
        }
        Step::Ask(vector, filter, limit) => {
            let hits = store.nearest(c, &real(vector), &filter, limit).await.unwrap();
            let mut wanted = Vec::new();
            for (id, (_, held)) in truth.iter() {
                if let Some((at, payload)) = held
                    && filter.accepts(*id, payload)
                {
                    wanted.push(Hit { id: *id, score: cosine(vector, *at) });
                }
            }
            wanted.sort_by(|a, b| b.score.total_cmp(&a.score));
            assert_eq!(hits.len(), wanted.len().min(limit), "{filter:?}: {hits:?}, not {wanted:?}");
            for (hit, by_hand) in hits.iter().zip(&wanted) {
                // Several may be as near; each must be what it says.
                assert!((hit.score - by_hand.score).abs() < 1e-4, "{filter:?}: {hits:?}, not {wanted:?}");
                let own = wanted.iter().find(|other| other.id == hit.id);
                assert!(own.is_some_and(|own| (own.score - hit.score).abs() < 1e-4), "{filter:?}: {hit:?}");
            }
        }
    }
}
