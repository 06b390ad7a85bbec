//! What every adapter of the text index keeps to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::{Document, Facet, Query, Sort, TextError, TextIndex};
use crate::ports::{
    attributes::{Attributes, Filter},
    vectors::contract::{attributes, filter, moment},
};

/// Everything. `mark` keeps apart what several runs do in one store.
pub(crate) fn keeps_to_it(index: &TextIndex, runtime: &Runtime, mark: &str) {
    runtime.block_on(finds_by_words(index, &format!("words_{mark}")));
    runtime.block_on(counts_and_sorts(index, &format!("sorts_{mark}")));
    runtime.block_on(revisions_decide(index, &format!("rev_{mark}")));
    runtime.block_on(rebuilds_beside(index, &format!("build_{mark}")));
    runtime.block_on(takes_anything(index, &format!("hostile_{mark}")));
    behaves_as_a_list(index, runtime, &format!("list_{mark}"));
}

fn id(n: u64) -> Uuid {
    Uuid::from_u128(u128::from(n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
}

fn document(n: u64, title: &str, keywords: &[&str], body: &str) -> Document {
    Document {
        id: id(n),
        revision: 1,
        title: title.into(),
        keywords: keywords.iter().map(|word| (*word).to_owned()).collect(),
        body: body.into(),
        attributes: Attributes { open: true, ..Attributes::default() },
    }
}

fn query(text: &str) -> Query {
    Query { text: text.into(), limit: 20, ..Query::default() }
}

async fn ids(index: &TextIndex, name: &str, text: &str) -> Vec<Uuid> {
    index.search(name, &query(text)).await.unwrap().hits.into_iter().map(|hit| hit.id).collect()
}

async fn finds_by_words(index: &TextIndex, name: &str) {
    assert!(matches!(index.search(name, &query("x")).await, Err(TextError::Missing(_))));
    index.ready(name).await.unwrap();
    index.ready(name).await.unwrap();
    assert!(ids(index, name, "").await.is_empty());
    let documents = [
        document(
            0,
            "Logo for a bakery",
            &["graphic design", "illustrator"],
            "A warm, hand-drawn mark for our Café in Łódź.",
        ),
        document(
            1,
            "Backend in Rust",
            &["rust", "postgresql"],
            "An HTTP service; the design of the tables is done.",
        ),
        document(2, "Teach my son mathematics", &["tutoring"], "Twice a week, in French or English."),
        document(
            3,
            "Kubernetes upgrade",
            &["kubernetes", "c++"],
            "Move twelve clusters. See https://example.org/x?y=1.",
        ),
        document(4, "تصميم شعار", &[], "مطعم جديد يبحث عن مصمم"),
        document(5, "<b>Bold</b> & \"quoted\" 🎨 titles", &[], "It's 100% O'Reilly; drop table words; --"),
    ];
    index.upsert(name, &documents).await.unwrap();
    assert_eq!(index.count(name).await.unwrap(), 6);
    let all = index.search(name, &query("  ")).await.unwrap();
    assert_eq!((all.hits.len(), all.total, all.did_you_mean), (6, 6, None));

    for (typed, first) in [
        ("rust", 1),
        ("bakery logo", 0),
        ("cafe", 0),
        ("CAFÉ", 0),
        ("lodz", 0),
        ("Łódź", 0),
        // As it is typed.
        ("kuber", 3),
        ("tutor", 2),
        // A typing mistake: a letter too many, too few, another, two swapped.
        ("kubernettes", 3),
        ("kubernets", 3),
        ("illustratar", 0),
        ("mathemaitcs", 2),
        ("bakrey", 0),
        // A synonym.
        ("k8s upgrade", 3),
        ("postgres", 1),
        ("شعار", 4),
        ("o'reilly", 5),
        ("bold", 5),
    ] {
        let found = ids(index, name, typed).await;
        assert_eq!(found.first(), Some(&id(first)), "{typed:?} finds {found:?}");
    }
    // The title weighs more than the body; each of two words finds.
    let found = ids(index, name, "design").await;
    assert_eq!(found[..2], [id(0), id(1)], "{found:?}");
    let both = ids(index, name, "rust bakery").await;
    assert!(both.contains(&id(0)) && both.contains(&id(1)), "{both:?}");
    // Whether all of it is there as it was typed, or a form of it: no synonym, no mistake, no word left out.
    for (typed, which, wanted) in [
        ("bakery logo", 0, true),
        ("LODZ café", 0, true),
        ("kuber", 3, true),
        ("upgrades", 3, true),
        ("c++ kubernetes", 3, true),
        ("services tables", 1, true),
        ("rust bakery", 0, false),
        ("k8s upgrade", 3, false),
        ("bakrey", 0, false),
        ("", 0, false),
    ] {
        let found = index.search(name, &query(typed)).await.unwrap();
        let hit = found.hits.iter().find(|hit| hit.id == id(which));
        assert_eq!(hit.map(|hit| hit.whole), Some(wanted), "{typed:?}: {found:?}");
    }
    // Signs that belong to a word; `c` alone begins others too.
    for typed in ["c++", "C++"] {
        assert_eq!(ids(index, name, typed).await, [id(3)], "{typed}");
    }
    for nothing in ["zzzzqqqq", "🎨", "…", "--", "%", "\u{202e}"] {
        assert!(ids(index, name, nothing).await.is_empty(), "{nothing:?}");
    }

    let typo = index.search(name, &query("kubernettes")).await.unwrap();
    assert_eq!(typo.did_you_mean.as_deref(), Some("kubernetes"));
    let fine = index.search(name, &query("kubernetes")).await.unwrap();
    assert_eq!(fine.did_you_mean, None);
    let hit = &fine.hits[0];
    assert!(hit.score > 0.0 && hit.score <= 1.0, "{hit:?}");
    assert_eq!(hit.title.parts(), [("Kubernetes", true), (" upgrade", false)]);
    let shown = index.search(name, &query("cafe")).await.unwrap().hits.remove(0);
    assert!(shown.snippet.parts().contains(&("Café", true)), "{shown:?}");
    let bold = index.search(name, &query("bold")).await.unwrap().hits.remove(0);
    assert_eq!(bold.title.text, "<b>Bold</b> & \"quoted\" 🎨 titles");
    assert!(bold.title.parts().contains(&("Bold", true)));

    let suggested = index.suggest(name, "kub", 5).await.unwrap();
    assert!(suggested.iter().any(|phrase| phrase.to_lowercase().starts_with("kubernetes")), "{suggested:?}");
    let inside = index.suggest(name, "desi", 5).await.unwrap();
    assert!(inside.contains(&"graphic design".to_owned()), "{inside:?}");
    assert!(index.suggest(name, "zzzzqqqq", 5).await.unwrap().is_empty());
    assert!(index.suggest(name, "", 5).await.unwrap().is_empty());
    assert_eq!(index.suggest(name, "k", 1).await.unwrap().len(), 1);

    // What is gone is found no more, nor suggested, nor meant.
    index.delete(name, &[(id(3), 1)]).await.unwrap();
    assert!(ids(index, name, "kubernetes").await.is_empty());
    assert_eq!(index.search(name, &query("kubernettes")).await.unwrap().did_you_mean, None);
    let suggested = index.suggest(name, "kub", 5).await.unwrap();
    assert!(!suggested.iter().any(|phrase| phrase.to_lowercase().contains("kubernetes")), "{suggested:?}");
}

async fn counts_and_sorts(index: &TextIndex, name: &str) {
    index.ready(name).await.unwrap();
    let mut documents = Vec::new();
    for n in 0..10_u64 {
        let mut one = document(n, &format!("Gig number {n}"), &[], "words");
        let even = n % 2 == 0;
        one.attributes = Attributes {
            skills: if even { vec!["rust".into(), "sql".into()] } else { vec!["sql".into()] },
            level: Some(if n < 3 { "junior".into() } else { "senior".into() }),
            remote: Some(even),
            budget_minor: (n != 4).then_some(100 * i64::try_from(n).unwrap()),
            rating_milli: Some(i64::try_from(n * 7 % 10).unwrap()),
            starts_at: Some(moment() - TimeDelta::hours(i64::try_from(n).unwrap())),
            fresh_at: Some(moment() + TimeDelta::hours(i64::try_from(n * 3 % 10).unwrap())),
            open: true,
            ..Attributes::default()
        };
        documents.push(one);
    }
    index.upsert(name, &documents).await.unwrap();
    let facets = vec![Facet::Skills, Facet::Level, Facet::Remote, Facet::Tags];
    let asked = Query { text: "gig".into(), facets, limit: 3, ..Query::default() };
    let found = index.search(name, &asked).await.unwrap();
    assert_eq!((found.hits.len(), found.total, found.estimated), (3, 10, false));
    let count = |facet: Facet| found.facets[&facet].clone();
    assert_eq!(count(Facet::Skills), [("sql".to_owned(), 10), ("rust".to_owned(), 5)]);
    assert_eq!(count(Facet::Level), [("senior".to_owned(), 7), ("junior".to_owned(), 3)]);
    assert_eq!(count(Facet::Remote), [("false".to_owned(), 5), ("true".to_owned(), 5)]);
    assert!(count(Facet::Tags).is_empty());
    // A filter narrows the counts too.
    let narrow = Query { filter: Filter { remote: Some(true), ..Filter::default() }, ..asked.clone() };
    let found = index.search(name, &narrow).await.unwrap();
    assert_eq!(
        (found.total, found.facets[&Facet::Skills].clone()),
        (5, vec![("rust".into(), 5), ("sql".into(), 5)])
    );

    for text in ["", "gig"] {
        for (sort, wanted) in [
            (Sort::Newest, [3, 6, 9, 2, 5, 8, 1, 4, 7, 0]),
            (Sort::BudgetHigh, [9, 8, 7, 6, 5, 3, 2, 1, 0, 4]),
            (Sort::BudgetLow, [0, 1, 2, 3, 5, 6, 7, 8, 9, 4]),
            (Sort::Rating, [7, 4, 1, 8, 5, 2, 9, 6, 3, 0]),
            (Sort::Soonest, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ] {
            let mut pages = Vec::new();
            for offset in [0, 4, 8, 12] {
                let page = Query { text: text.into(), sort, offset, limit: 4, ..Query::default() };
                let found = index.search(name, &page).await.unwrap();
                assert_eq!(found.total, 10);
                pages.extend(found.hits.into_iter().map(|hit| hit.id));
            }
            assert_eq!(pages, wanted.map(id), "{sort:?} of {text:?}");
        }
    }
    let newest = index.search(name, &Query { limit: 2, ..Query::default() }).await.unwrap();
    assert_eq!(newest.hits.iter().map(|hit| hit.id).collect::<Vec<_>>(), [id(3), id(6)]);
}

async fn revisions_decide(index: &TextIndex, name: &str) {
    index.ready(name).await.unwrap();
    let at = |revision, title: &str| Document { revision, ..document(1, title, &[], "") };
    let title = async || index.search(name, &query("")).await.unwrap().hits.pop().map(|hit| hit.title.text);
    index.upsert(name, &[at(5, "five")]).await.unwrap();
    index.upsert(name, &[at(4, "four")]).await.unwrap();
    assert_eq!(title().await.as_deref(), Some("five"));
    index.upsert(name, &[at(5, "other")]).await.unwrap();
    assert_eq!(title().await.as_deref(), Some("other"));
    index.delete(name, &[(id(1), 4)]).await.unwrap();
    assert_eq!(title().await.as_deref(), Some("other"));
    index.delete(name, &[(id(1), 5)]).await.unwrap();
    index.upsert(name, &[at(5, "five")]).await.unwrap();
    assert_eq!(title().await, None);
    index.delete(name, &[(id(2), 9)]).await.unwrap();
    index.upsert(name, &[Document { id: id(2), ..at(8, "late") }]).await.unwrap();
    assert_eq!((title().await, index.count(name).await.unwrap()), (None, 0));
    assert!(index.ids(name, None, 9).await.unwrap().is_empty());
    index.upsert(name, &[at(1 << 53, "last")]).await.unwrap();
    index.upsert(name, &[at((1 << 53) - 1, "last but one")]).await.unwrap();
    assert_eq!(title().await.as_deref(), Some("last"));
    for wrong in [-1, (1 << 53) + 1] {
        assert!(matches!(index.upsert(name, &[at(wrong, "x")]).await, Err(TextError::Invalid(_))));
    }
    // What happens at once: the highest revision is what stays.
    let writes = (10..20).map(|revision| async move {
        let title = format!("at {revision}");
        index.upsert(name, &[Document { id: id(7), revision, ..document(7, &title, &[], "") }]).await
    });
    for done in futures_util::future::join_all(writes).await {
        done.unwrap();
    }
    let only = Query { filter: Filter { only_ids: Some(vec![id(7)]), ..Filter::default() }, ..query("") };
    assert_eq!(index.search(name, &only).await.unwrap().hits[0].title.text, "at 19");
}

async fn rebuilds_beside(index: &TextIndex, name: &str) {
    index.ready(name).await.unwrap();
    index.upsert(name, &[document(1, "stale", &[], ""), document(2, "kept", &[], "")]).await.unwrap();
    let lost = index.begin_rebuild(name).await.unwrap();
    let build = index.begin_rebuild(name).await.unwrap();
    let none = index.fill(&lost, &[document(1, "x", &[], "")]).await;
    assert!(matches!(none, Err(TextError::Missing(_))), "another was begun: {none:?}");
    assert!(index.swap(&lost).await.is_err());
    assert_eq!(ids(index, name, "stale").await, [id(1)], "the live one goes on");
    index.fill(&build, &[document(2, "kept", &[], ""), document(3, "filled", &[], "")]).await.unwrap();
    assert!(ids(index, name, "filled").await.is_empty());
    // What happens meanwhile is in both, and newer than what is filled in later.
    index.upsert(name, &[Document { revision: 9, ..document(4, "meanwhile", &[], "") }]).await.unwrap();
    index.delete(name, &[(id(3), 5)]).await.unwrap();
    assert_eq!(ids(index, name, "meanwhile").await, [id(4)]);
    index.fill(&build, &[document(4, "older", &[], ""), document(3, "filled", &[], "")]).await.unwrap();
    index.swap(&build).await.unwrap();
    let all: BTreeSet<_> = ids(index, name, "").await.into_iter().collect();
    assert_eq!(all, BTreeSet::from([id(2), id(4)]));
    assert_eq!(ids(index, name, "meanwhile").await, [id(4)]);
    assert!(index.swap(&build).await.is_err(), "once");
    let unwanted = index.begin_rebuild(name).await.unwrap();
    index.abandon(&unwanted).await.unwrap();
    assert!(index.fill(&unwanted, &[document(1, "x", &[], "")]).await.is_err());
    assert_eq!(index.count(name).await.unwrap(), 2);
}

/// Whatever is typed or written: an answer, in time.
async fn takes_anything(index: &TextIndex, name: &str) {
    index.ready(name).await.unwrap();
    index.upsert(name, &[document(0, "A plain one", &["rust"], "text")]).await.unwrap();
    let long = "lorem ipsum ".repeat(900);
    let word = "x".repeat(10_000);
    let (ragged, painted) = ("é𝒻".repeat(400), "🎨a".repeat(400));
    let hostile = [
        long.as_str(),
        word.as_str(),
        ragged.as_str(),
        painted.as_str(),
        "\0",
        "a\0b",
        "\u{7}\u{1b}[31m",
        "' or 1=1; --",
        "'\\''",
        "\\",
        "& | ! <-> :* ( )",
        "foo:*A & !bar",
        "((((((((((",
        "(a+)+$",
        "^.*$",
        "[[:alpha:]]",
        "%_%",
        "\"unclosed",
        "-minus -only",
        "\u{202e}\u{202d}rtl\u{2066}",
        "مرحبا بالعالم",
        "🏳️‍🌈👩‍👩‍👧‍👦",
        "e\u{301}\u{301}\u{301}\u{301}",
        "\u{10ffff}\u{fffe}",
        "𝒻𝒶𝓃𝒸𝓎",
        "a.b.c.d.e.f",
        "{\"json\": [1]}",
        "<script>alert(1)</script>",
        "x y z w v u t s r q p o n m l k j i h g f e d c b a",
    ];
    for (n, text) in hostile.iter().enumerate() {
        let found = index.search(name, &query(text)).await;
        assert!(found.is_ok(), "{text:.40?}: {found:?}");
        let suggested = index.suggest(name, text, 5).await;
        assert!(suggested.is_ok(), "{text:.40?}: {suggested:?}");
        let mut odd = document(100 + u64::try_from(n).unwrap(), text, &[text], text);
        odd.attributes.tags = vec![text.chars().filter(|c| *c != '\0').take(100).collect()];
        let written = index.upsert(name, &[odd]).await;
        assert!(written.is_ok(), "{text:.40?}: {written:?}");
        let tag = Filter { tags: vec![(*text).chars().take(100).collect()], ..Filter::default() };
        let found = index.search(name, &Query { filter: tag, ..query("") }).await.unwrap();
        assert_eq!(found.total, u64::from(!text.contains('\0')), "{text:.40?}");
    }
    assert_eq!(index.count(name).await.unwrap(), 1 + hostile.len() as u64);
    assert_eq!(ids(index, name, "plain").await, [id(0)]);
    let nul = Document {
        attributes: Attributes { tags: vec!["\0".into()], ..Attributes::default() },
        ..document(1, "", &[], "")
    };
    assert!(matches!(index.upsert(name, &[nul]).await, Err(TextError::Invalid(_))));
    let deep = Query { offset: usize::MAX, limit: usize::MAX, ..query("plain") };
    assert!(index.search(name, &deep).await.unwrap().hits.is_empty());
    for bad in ["", "A", "a-b", "a b", "a'b", "é"] {
        assert!(index.ready(bad).await.is_err(), "{bad:?}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<(u64, i64, Vec<usize>, Attributes)>),
    Gone(Vec<(u64, i64)>),
    Ask(Option<usize>, Box<Filter>),
}

/// Words so unlike that none is a mistake, a form or a synonym of another.
const WORDS: [&str; 5] = ["quartz", "bamboo", "fjord", "zephyr", "lemon"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let words = proptest::collection::vec(0..WORDS.len(), 0..4);
    let put = proptest::collection::vec((0_u64..12, 0_i64..6, words, attributes()), 1..5);
    let gone = proptest::collection::vec((0_u64..12, 0_i64..6), 1..3);
    let step = prop_oneof![
        3 => put.prop_map(Step::Put),
        1 => gone.prop_map(Step::Gone),
        4 => (proptest::option::of(0..WORDS.len()), filter()).prop_map(|(w, f)| Step::Ask(w, Box::new(f))),
    ];
    proptest::collection::vec(step, 1..12)
}

type Truth = BTreeMap<Uuid, (i64, Option<(Vec<usize>, Attributes)>)>;

/// Any sequence of writes and questions, beside a list that is searched by hand.
fn behaves_as_a_list(index: &TextIndex, runtime: &Runtime, name: &str) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(24);
    let config = ProptestConfig { failure_persistence: None, cases, ..ProptestConfig::default() };
    let number = std::cell::Cell::new(0);
    let done = TestRunner::new(config).run(&steps(), |steps| {
        number.set(number.get() + 1);
        let name = format!("{name}_{}", number.get());
        runtime.block_on(async {
            index.ready(&name).await.unwrap();
            let mut truth = Truth::new();
            for step in steps {
                take(index, &name, &mut truth, step).await;
            }
            let mut all = Vec::new();
            while let Ok(page) = index.ids(&name, all.last().map(|(id, _)| *id), 3).await
                && !page.is_empty()
            {
                all.extend(page);
            }
            let held = truth.iter().filter(|(_, (_, held))| held.is_some());
            let there: Vec<_> = held.map(|(id, (revision, _))| (*id, *revision)).collect();
            assert_eq!(all, there);
            assert_eq!(index.count(&name).await.unwrap(), there.len() as u64);
        });
        Ok(())
    });
    done.unwrap_or_else(|e| panic!("{e}"));
}

async fn take(index: &TextIndex, name: &str, truth: &mut Truth, step: Step) {
    match step {
        Step::Put(rows) => {
            let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.0, row)).collect();
            let mut documents = Vec::new();
            for (n, revision, words, attributes) in rows.into_values() {
                let text = words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ");
                let one = document(n, &text, &[], "");
                documents.push(Document { revision, attributes: attributes.clone(), ..one });
                let held = truth.get(&id(n));
                if held.is_none_or(|(was, held)| *was < revision || (*was == revision && held.is_some())) {
                    truth.insert(id(n), (revision, Some((words, attributes))));
                }
            }
            index.upsert(name, &documents).await.unwrap();
        }
        Step::Gone(ids) => {
            let ids: BTreeMap<_, _> = ids.into_iter().collect();
            let ids: Vec<_> = ids.into_iter().map(|(n, revision)| (id(n), revision)).collect();
            index.delete(name, &ids).await.unwrap();
            for (id, revision) in ids {
                if truth.get(&id).is_none_or(|(was, _)| *was <= revision) {
                    truth.insert(id, (revision, None));
                }
            }
        }
        Step::Ask(word, filter) => {
            let text = word.map_or("", |word| WORDS[word]);
            let asked = Query { filter: *filter, limit: 50, facets: vec![Facet::Skills], ..query(text) };
            let found = index.search(name, &asked).await.unwrap();
            let held = truth.iter().filter_map(|(id, (_, held))| held.as_ref().map(|held| (id, held)));
            let wanted: Vec<_> = held
                .filter(|(_, (words, _))| word.is_none_or(|word| words.contains(&word)))
                .filter(|(id, (_, attributes))| asked.filter.accepts(**id, attributes))
                .collect();
            let got: BTreeSet<_> = found.hits.iter().map(|hit| hit.id).collect();
            assert_eq!(got, wanted.iter().map(|(id, _)| **id).collect(), "{asked:?}");
            assert_eq!((found.total, found.hits.len()), (wanted.len() as u64, wanted.len()));
            let mut skills = BTreeMap::<&String, u64>::new();
            for (_, (_, attributes)) in &wanted {
                let own: BTreeSet<_> = attributes.skills.iter().collect();
                own.into_iter().for_each(|skill| *skills.entry(skill).or_default() += 1);
            }
            let counted: BTreeMap<_, _> = found
                .facets
                .get(&Facet::Skills)
                .into_iter()
                .flatten()
                .map(|(value, n)| (value, *n))
                .collect();
            assert_eq!(counted, skills, "{asked:?}");
        }
    }
}
