//! Search: forgiving, permission-safe, and not to be thrown.

use super::world::{World, person, thing};
use crate::{
    contexts::discovery::{Deed, DiscoveryError, FeedbackForm, FeedbackItem, Kind, SearchForm},
    ports::text::Sort,
    principal::{Principal, UserId},
};

fn asked(q: &str) -> SearchForm {
    SearchForm { q: q.into(), ..SearchForm::default() }
}

async fn filled() -> World {
    let world = World::new().await;
    for (title, body, skills) in [
        ("Translate our help centre", "Forty articles from English into Polish", &["figma"][..]),
        (
            "Clean up survey data",
            "Two years of answers in spreadsheets; scripts in Python",
            &["python", "sql"],
        ),
        ("A web service in Rust", "An API for bus times with a database behind it", &["rust", "sql"]),
    ] {
        world.publish(thing(Kind::Gig, UserId::new(), title, body, skills)).await;
    }
    let course = thing(
        Kind::Course,
        UserId::new(),
        "Databases without fear",
        "Tables, keys and queries in SQL",
        &["sql"],
    );
    world.publish(course).await;
    world.settle().await;
    world
}

#[actix_web::test]
async fn words_with_mistakes_are_found_with_highlights_facets_and_reasons() {
    let world = filled().await;
    let me = person();
    let found = world.discovery.search(&me, &asked("tranlsate help"), 10, None).await.unwrap();
    let first = &found.items[0];
    assert_eq!(first.title, "Translate our help centre");
    assert!(!first.reasons.is_empty());
    assert!(!first.highlights.as_ref().unwrap().title.ranges.is_empty());
    let found = world.discovery.search(&me, &asked("sql"), 10, None).await.unwrap();
    assert!(found.items.iter().any(|one| one.kind == Kind::Course));
    let kinds = &found.facets["kind"];
    assert!(
        kinds.iter().any(|one| one.value == "gig") && kinds.iter().any(|one| one.value == "course"),
        "{kinds:?}"
    );
    assert!(found.facets["skills"].iter().any(|one| one.value == "sql" && one.name == "SQL"));
    let only = SearchForm { kinds: vec![Kind::Gig], skills: vec!["rust".into()], ..SearchForm::default() };
    let found = world.discovery.search(&me, &only, 10, None).await.unwrap();
    assert_eq!(
        found.items.iter().map(|one| one.title.as_str()).collect::<Vec<_>>(),
        ["A web service in Rust"]
    );
    let suggested = world.discovery.suggest(&me, "transl", None, 5).await.unwrap();
    assert!(suggested.items.iter().any(|one| one.text.to_lowercase().contains("transl")), "{suggested:?}");
}

#[actix_web::test]
async fn what_is_found_by_meaning_alone_does_not_stand_above_what_words_name_too() {
    let world = filled().await;
    let body = "PostgreSQL and SQLite administration, SQL performance tuning";
    let administrator = world.publish(thing(Kind::Person, UserId::new(), "Ann", body, &["sql"])).await;
    world.settle().await;
    let found = world.discovery.search(&person(), &asked("databases tables keys"), 10, None).await.unwrap();
    assert_eq!(found.items[0].title, "Databases without fear");
    assert!(found.items[0].score > 0.9, "{:?}", found.items);
    let by_meaning = found.items.iter().find(|one| one.id == administrator).expect("found by meaning");
    assert!(by_meaning.highlights.is_none() && by_meaning.score < 0.6, "{by_meaning:?}");
    // It is counted all the same, among all and of its kind.
    assert_eq!(found.facets["kind"].iter().find(|one| one.value == "person").map(|one| one.count), Some(1));
    assert!(found.total >= found.items.len() as u64, "{} of {}", found.items.len(), found.total);
}

#[actix_web::test]
async fn a_walk_over_pages_shows_each_once_and_foreign_cursors_are_refused() {
    let world = filled().await;
    let me = person();
    let form = SearchForm { sort: Sort::Newest, ..asked("") };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.discovery.search(&me, &form, 1, cursor.as_deref()).await.unwrap();
        seen.extend(page.items.iter().map(|one| one.id));
        let Some(next) = page.next_cursor else { break };
        let other = world.discovery.search(&me, &asked("other"), 1, Some(&next)).await;
        assert!(matches!(other, Err(DiscoveryError::Invalid(_))));
        cursor = Some(next);
        assert!(seen.len() < 10, "it never ends");
    }
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!((seen.len(), count), (4, 4));
}

#[actix_web::test]
async fn what_may_not_be_seen_is_not_shown_even_while_an_index_holds_it() {
    let world = World::new().await;
    let [ann, ben] = [UserId::new(), UserId::new()];
    let of_ann = world.publish(thing(Kind::Person, ann, "Ann", "Data and services", &["sql"])).await;
    let of_ben = world.publish(thing(Kind::Person, ben, "Ben", "Data and services", &["sql"])).await;
    world.settle().await;
    let me = person();
    let shown = async || -> Vec<uuid::Uuid> {
        let found = world.discovery.search(&me, &asked("data services"), 10, None).await.unwrap();
        let mut ids: Vec<_> = found.items.iter().map(|one| one.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![of_ann, of_ben];
    both.sort();
    assert_eq!(shown().await, both);
    // Either way.
    world.said.blocks(me.user_id, ann);
    assert_eq!(shown().await, [of_ben]);
    world.said.blocks(ben, me.user_id);
    assert!(shown().await.is_empty());
    let another = person();
    world.said.drop(Kind::Person, of_ann);
    let found = world.discovery.search(&another, &asked("data services"), 10, None).await.unwrap();
    assert_eq!(found.items.iter().map(|one| one.id).collect::<Vec<_>>(), [of_ben]);
}

#[actix_web::test]
async fn who_is_blocked_either_way_is_neither_counted_nor_suggested() {
    let world = World::new().await;
    let gwen = UserId::new();
    for kind in [Kind::Person, Kind::Mentor] {
        let body = "Draws what others write";
        world.publish(thing(kind, gwen, "Gwendolyn Ashworth", body, &["figma"])).await;
    }
    world.settle().await;
    // How many there are, whether a facet tells of her, and what is suggested.
    let seen = async |me: &Principal| {
        let found = world.discovery.search(me, &asked("Gwendolyn"), 10, None).await.unwrap();
        let facets = found.facets.values().flatten().count();
        let suggested = world.discovery.suggest(me, "gwen", None, 5).await.unwrap();
        let texts: Vec<String> = suggested.items.into_iter().map(|item| item.text).collect();
        (found.total, facets > 0, texts)
    };
    let (me, you, another) = (person(), person(), person());
    let all = (2, true, vec!["Gwendolyn Ashworth".to_owned()]);
    assert_eq!(seen(&me).await, all);
    world.said.blocks(me.user_id, gwen);
    world.said.blocks(gwen, you.user_id);
    for apart in [&me, &you] {
        assert_eq!(seen(apart).await, (0, false, Vec::new()));
    }
    assert_eq!(seen(&another).await, all);
}

#[actix_web::test]
async fn what_was_taken_back_is_not_quoted_while_an_index_is_behind() {
    let world = World::new().await;
    let who = UserId::new();
    let body = "I write services.\nMy number is 555 0199";
    world.publish(thing(Kind::Person, who, "Ada Lovelace", body, &["rust"])).await;
    world.settle().await;
    let me = person();
    let found = world.discovery.search(&me, &asked("lovelace number"), 10, None).await.unwrap();
    let shown = found.items[0].highlights.as_ref().unwrap();
    assert_eq!(shown.text.text, "I write services. My number is 555 0199");
    assert!(!shown.text.ranges.is_empty() && !shown.title.ranges.is_empty(), "{shown:?}");
    // Nobody has told the index yet.
    world.said.put(thing(Kind::Person, who, "Ada L.", "I write services", &["rust"]));
    let found = world.discovery.search(&me, &asked("lovelace number"), 10, None).await.unwrap();
    let shown = found.items[0].highlights.as_ref().unwrap();
    assert_eq!((shown.title.text.as_str(), shown.text.text.as_str()), ("Ada L.", "I write services"));
    assert!(shown.title.ranges.is_empty() && shown.text.ranges.is_empty(), "{shown:?}");
    let said = serde_json::to_string(&found.items).unwrap();
    assert!(!said.contains("0199") && !said.contains("Lovelace"), "{said}");
}

#[actix_web::test]
async fn whatever_is_typed_is_answered() {
    let world = filled().await;
    let me = person();
    let page = "pasted text with many words ".repeat(400);
    for q in [
        page.as_str(),
        "",
        " ",
        "'; drop table gigs; --",
        "a & | ! ( ) : * <-> b",
        "((((",
        "\\",
        "%_%",
        ".*+?[]{}^$",
        "\u{202e}abc مرحبا",
        "🦀🦀🦀",
        "\u{1}\u{7f}\t\n",
        "\"unclosed",
        "-rust OR not",
        "ﬁ ℌ ①",
        "a\u{301}\u{301}\u{301}\u{301}",
        "::jsonb",
        "x".repeat(300).as_str(),
    ] {
        let found = world.discovery.search(&me, &asked(q), 10, None).await;
        assert!(found.is_ok(), "{q:?}: {found:?}");
        assert!(world.discovery.suggest(&me, q, None, 5).await.is_ok(), "{q:?}");
    }
}

#[actix_web::test]
async fn feedback_counts_once() {
    let world = filled().await;
    let me = person();
    let id = world.said.ids_of(Kind::Gig)[0];
    let item = |deed| FeedbackItem { kind: Kind::Gig, id, deed };
    let form = FeedbackForm { items: vec![item(Deed::Shown), item(Deed::Opened), item(Deed::Opened)] };
    assert_eq!(world.discovery.take_feedback(&me, &form).await.unwrap().noted, 2);
    assert_eq!(world.discovery.take_feedback(&me, &form).await.unwrap().noted, 0);
    let none = world.discovery.take_feedback(&me, &FeedbackForm { items: Vec::new() }).await;
    assert!(matches!(none, Err(DiscoveryError::Invalid(_))));
}
