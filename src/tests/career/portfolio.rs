//! Portfolios: written, shown to whom the owner lets, and assembled from events.

use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, news, person};
use crate::{
    contexts::career::{
        Career, CareerError, EvidenceKind, Live, MatchQuery, ProfileForm, ProjectForm, ProjectId, consumers,
    },
    error::Fault,
    events::Envelope,
    principal::{Principal, Role},
    realtime::{Channel, ChannelLog, HistoryQuery},
    tests::chat::support::Node,
};

fn form(change: Value) -> ProfileForm {
    let mut form = json!({
        "slug": "ann-b", "headline": "Draws", "visibility": "public", "skills": [{ "skill": "Rust", "level": 3 }],
    });
    for (name, value) in change.as_object().unwrap() {
        form[name] = value.clone();
    }
    serde_json::from_value(form).unwrap()
}

fn project(title: &str, visibility: &str) -> ProjectForm {
    serde_json::from_value(json!({ "title": title, "visibility": visibility })).unwrap()
}

fn event(subject: &str, data: Value) -> Envelope {
    Envelope {
        id: Uuid::now_v7(),
        subject: subject.into(),
        context: "testing".into(),
        aggregate: "a".into(),
        version: 1,
        sequence: 1,
        time: chrono::Utc::now(),
        data,
        correlation_id: "testing-it".into(),
        causation_id: None,
        traceparent: None,
    }
}

struct Show {
    world: World,
    live: Live,
    node: Node,
}

impl Show {
    async fn new() -> Self {
        let world = World::new().await;
        let node = Node::on(&world.test).await;
        Self { live: news(), node, world }
    }

    fn career(&self) -> &Career {
        &self.world.career
    }

    async fn tell(&self, event: &Envelope) {
        let eraser = crate::custody::eraser(std::sync::Arc::new(self.world.career.clone()), None);
        for consumer in consumers(&self.world.career, &self.live, &self.node.chat).into_iter().chain([eraser])
        {
            self.world.hand(&*consumer, event).await;
        }
    }

    async fn titles(&self, of: &Principal) -> Vec<String> {
        let shown = self.career().portfolio(None, of.user_id).await.unwrap();
        shown.evidence.into_iter().map(|one| one.title).collect()
    }
}

#[tokio::test]
async fn a_profile_has_versions_says_what_changed_and_keeps_its_address_to_itself() {
    let world = World::new().await;
    let (ann, ben) = (person(Role::Student), person(Role::Student));
    let own = world.career.own_profile(&ann).await.unwrap();
    assert!(own.version == 0 && own.profile.slug.starts_with("somebody-"), "{}", own.profile.slug);
    assert!(matches!(world.career.portfolio(Some(ben.user_id), ann.user_id).await, Err(CareerError::No(_))));
    let first = world.career.write_profile(&ann, &form(json!({})), 0).await.unwrap();
    assert_eq!((first.version, first.profile.skills[0].skill.as_str()), (1, "rust"));
    let stale = world.career.write_profile(&ann, &form(json!({})), 0).await.unwrap_err();
    assert_eq!(stale.kind().status(), 412);
    let taken = world.career.write_profile(&ben, &form(json!({})), 0).await.unwrap_err();
    assert_eq!(taken.kind().status(), 409);
    world
        .career
        .write_profile(&ann, &form(json!({ "headline": "Paints", "location": "Oslo" })), 1)
        .await
        .unwrap();
    let told: Vec<_> =
        world.recorded().await.into_iter().filter(|event| event.subject == "profile.updated").collect();
    assert_eq!(told[1].data["changed"], json!(["headline", "location"]));
    for (field, value, pointer) in [
        ("slug", json!("Ann"), "/slug"),
        ("slug", json!("-a-"), "/slug"),
        ("links", json!([{ "label": "x", "url": "javascript:alert(1)" }]), "/links/0/url"),
        ("skills", json!([{ "skill": "juggling", "level": 3 }]), "/skills/0/skill"),
        ("skills", json!([{ "skill": "rust", "level": 9 }]), "/skills/0/level"),
        (
            "experience",
            json!([{ "title": "x", "organisation": "y", "from": "2024-13" }]),
            "/experience/0/from",
        ),
        ("languages", json!([{ "tag": "klingon", "level": 1 }]), "/languages/0/tag"),
    ] {
        let error = world.career.write_profile(&ann, &form(json!({ field: value })), 2).await.unwrap_err();
        assert_eq!(error.fields()[0].pointer, pointer, "{error}");
    }
}

#[tokio::test]
async fn everything_is_seen_by_whom_its_owner_lets() {
    let world = World::new().await;
    let (ann, friend, other) = (person(Role::Student), person(Role::Student), person(Role::Student));
    world.career.write_profile(&ann, &form(json!({})), 0).await.unwrap();
    let mut made = Vec::new();
    for visibility in ["private", "connections", "public"] {
        let new = project(visibility, visibility);
        made.push(world.career.add_project(&ann, ProjectId::new(), &new).await.unwrap().id);
    }
    // A portfolio is found by its projects: who finds it hears of each change.
    let told = async || {
        let all = world.recorded().await;
        all.iter().filter(|event| event.data["changed"] == json!(["projects"])).count()
    };
    assert_eq!(told().await, 3);
    let hidden = world.career.add_project(&ann, ProjectId::new(), &project("shown", "public")).await.unwrap();
    let less = project("hidden", "private");
    world.career.change_project(&ann, hidden.id, &less, Some(hidden.version)).await.unwrap();
    world.career.drop_project(&ann, hidden.id).await.unwrap();
    assert_eq!(told().await, 6);
    world.career.follow_person(&friend, ann.user_id, true).await.unwrap();
    let seen = async |who: Option<&Principal>| {
        let shown = world.career.portfolio(who.map(|who| who.user_id), ann.user_id).await;
        shown.map(|shown| shown.projects.into_iter().map(|one| one.title).collect::<Vec<_>>())
    };
    assert_eq!(seen(Some(&friend)).await.unwrap(), ["public"], "following alone connects nobody");
    world.career.follow_person(&ann, friend.user_id, true).await.unwrap();
    assert_eq!(seen(Some(&friend)).await.unwrap(), ["connections", "public"]);
    assert_eq!(seen(Some(&ann)).await.unwrap(), ["private", "connections", "public"]);
    assert_eq!(
        (seen(Some(&other)).await.unwrap(), seen(None).await.unwrap()),
        (vec!["public".to_owned()], vec!["public".to_owned()])
    );
    let order = serde_json::from_value(json!({ "ids": [made[2], made[0], made[1]] })).unwrap();
    world.career.order_projects(&ann, &order).await.unwrap();
    assert_eq!(seen(Some(&ann)).await.unwrap(), ["public", "private", "connections"]);
    let partly = serde_json::from_value(json!({ "ids": [made[2]] })).unwrap();
    assert_eq!(world.career.order_projects(&ann, &partly).await.unwrap_err().kind().status(), 422);
    assert_eq!(world.career.drop_project(&other, made[0]).await.unwrap_err().kind().status(), 404);

    world.career.endorse(&other, ann.user_id, "rust", true).await.unwrap();
    world.career.endorse(&other, ann.user_id, "rust", true).await.unwrap();
    world.career.endorse(&friend, ann.user_id, "rust", true).await.unwrap();
    assert_eq!(world.career.endorse(&ann, ann.user_id, "rust", true).await.unwrap_err().kind().status(), 409);
    assert_eq!(
        world.career.endorse(&other, ann.user_id, "sql", true).await.unwrap_err().kind().status(),
        404
    );
    let shown = world.career.portfolio(None, ann.user_id).await.unwrap();
    assert_eq!(shown.skills[0].endorsements, 2);

    world.career.write_profile(&ann, &form(json!({ "visibility": "connections" })), 1).await.unwrap();
    assert!(
        seen(None).await.is_err() && seen(Some(&other)).await.is_err() && seen(Some(&friend)).await.is_ok()
    );
    world.career.follow_person(&ann, friend.user_id, false).await.unwrap();
    assert!(seen(Some(&friend)).await.is_err() && seen(Some(&ann)).await.is_ok());
}

#[actix_web::test]
async fn events_become_evidence_once_and_take_it_back() {
    let show = Show::new().await;
    let ann = person(Role::Student);
    show.career().write_profile(&ann, &form(json!({})), 0).await.unwrap();
    let (milestone, award, review, certificate) =
        (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let released = event(
        "milestone.released",
        json!({ "milestone_id": milestone, "student_id": ann.user_id, "client_id": Uuid::now_v7(), "title": "Logo <b>",
                "contract_title": "A poster", "amount": { "amount_minor": 12_345, "currency": "EUR" } }),
    );
    let badge = event(
        "badge.awarded",
        json!({ "award_id": award, "user_id": ann.user_id, "name": "First gig", "tier": "bronze" }),
    );
    let said =
        event("review.published", json!({ "review_id": review, "subject_id": ann.user_id, "rating": 5 }));
    let learnt = event(
        "certificate.issued",
        json!({ "certificate_id": certificate, "user_id": ann.user_id, "title": "SQL" }),
    );
    for event in [&released, &badge, &said, &learnt, &released, &badge] {
        show.tell(event).await;
    }
    // The same fact told by another event is the same fact.
    show.tell(&Envelope { id: Uuid::now_v7(), ..released.clone() }).await;
    let mut titles = show.titles(&ann).await;
    titles.sort();
    assert_eq!(titles, ["First gig", "Logo <b>", "Reviewed: 5 of 5", "SQL"]);
    let shown = show.career().portfolio(None, ann.user_id).await.unwrap();
    let work = shown.evidence.iter().find(|one| one.kind == EvidenceKind::Milestone).unwrap();
    assert_eq!((work.event_id, work.detail.as_str()), (released.id, "A poster"), "the event proves it");
    assert!(!serde_json::to_string(&shown).unwrap().contains("12345"), "what was paid is nobody's business");

    show.career().show_evidence(&ann, work.id, false).await.unwrap();
    assert_eq!(show.titles(&ann).await.len(), 3);
    let other = show.career().show_evidence(&person(Role::Student), work.id, true).await.unwrap_err();
    assert_eq!(other.kind().status(), 404);
    show.career().show_evidence(&ann, work.id, true).await.unwrap();
    for (subject, data) in [
        ("milestone.charged_back", json!({ "milestone_id": milestone, "student_id": ann.user_id })),
        ("badge.revoked", json!({ "award_id": award, "user_id": ann.user_id })),
        ("certificate.revoked", json!({ "certificate_id": certificate, "user_id": ann.user_id })),
    ] {
        show.tell(&event(subject, data)).await;
    }
    // Told again after it was taken back, it does not come back; nor can its owner show it.
    show.tell(&released).await;
    assert_eq!(show.titles(&ann).await, ["Reviewed: 5 of 5"]);
    assert_eq!(show.career().show_evidence(&ann, work.id, true).await.unwrap_err().kind().status(), 404);

    // Who is looking hears that something changed, and nothing more.
    for recorded in show.world.recorded().await {
        show.tell(&recorded).await;
    }
    let query = HistoryQuery { since: None, limit: 100, reverse: false };
    let channel = Channel::of("portfolio", ann.user_id);
    let page = show.live.log().page(&channel, &query).now_or_never().unwrap().unwrap();
    assert!(page.publications.len() >= 9, "{}", page.publications.len());
    for publication in page.publications {
        let news: Value = serde_json::from_slice(publication.data.as_bytes()).unwrap();
        assert_eq!(news, json!({ "type": "portfolio_changed", "user_id": ann.user_id }));
    }
    // Kept hidden where its owner wants to look first.
    let shy = person(Role::Student);
    show.career()
        .write_profile(&shy, &form(json!({ "slug": "shy-one", "show_evidence": false })), 0)
        .await
        .unwrap();
    show.tell(&event(
        "badge.awarded",
        json!({ "award_id": Uuid::now_v7(), "user_id": shy.user_id, "name": "B", "tier": "gold" }),
    ))
    .await;
    assert!(show.titles(&shy).await.is_empty());
    assert_eq!(show.career().own_profile(&shy).await.unwrap().evidence.len(), 1);
    // Nothing is begun of somebody who was forgotten.
    show.tell(&event("user.erasure_requested", json!({ "user_id": ann.user_id }))).await;
    show.tell(&Envelope { id: Uuid::now_v7(), ..said }).await;
    for table in ["profiles", "projects", "evidence", "endorsements", "follows"] {
        let query =
            format!("SELECT count(*) AS n FROM career.{table} t WHERE t::text LIKE '%{}%'", ann.user_id);
        assert_eq!(show.world.count(&query).await, 0, "{table}");
    }
}

#[tokio::test]
async fn mentors_are_suggested_with_reasons() {
    let world = World::new().await;
    let fits = world
        .mentor(json!({ "skills": ["rust", "sql"], "goals": ["First job"], "languages": ["en", "sv"] }))
        .await;
    let night = world
        .mentor(json!({
            "skills": ["rust"], "zone": "Pacific/Auckland",
            "rules": [{ "weekday": 3, "from": "09:00", "to": "17:00" }],
        }))
        .await;
    let other = world.mentor(json!({ "skills": ["seo"], "languages": ["fr"] })).await;
    let ann = person(Role::Student);
    let mine = form(json!({ "languages": [{ "tag": "en", "level": 4 }] }));
    world.career.write_profile(&ann, &mine, 0).await.unwrap();
    world.career.follow_skill(&ann, "sql", true).await.unwrap();
    let query = MatchQuery {
        goal: Some("How do I get my first job?".into()),
        zone: Some("Europe/Berlin".into()),
        ..MatchQuery::default()
    };
    let found = world.career.matches(&ann, &query, 10).await.unwrap();
    assert_eq!(
        found.iter().map(|one| one.id).collect::<Vec<_>>(),
        [fits.user_id, night.user_id, other.user_id]
    );
    assert!(found.iter().all(|one| (0.0..=1.0).contains(&one.score)), "{found:?}");
    assert_eq!(
        found[0].reasons,
        [
            "Knows rust, sql",
            "Speaks en as you do",
            "Helps with “First job”",
            "80 free times in your day within two weeks",
        ]
    );
    // Auckland's Wednesday is the night before in Berlin, but for its first hours.
    assert!(found[1].reasons.len() < found[0].reasons.len() && found[0].score > found[1].score);
    let own = world.career.matches(&fits, &MatchQuery::default(), 10).await.unwrap();
    assert!(own.iter().all(|one| one.id != fits.user_id), "nobody is their own mentor");
    let asked = MatchQuery { skills: vec!["seo".into()], ..MatchQuery::default() };
    assert_eq!(world.career.matches(&ann, &asked, 1).await.unwrap()[0].id, other.user_id);
}

#[tokio::test]
async fn a_json_resume_goes_out_and_in_again() {
    let world = World::new().await;
    let (ann, ben) = (person(Role::Student), person(Role::Student));
    let mine = form(json!({
        "about": "One\n\ntwo", "location": "Oslo", "links": [{ "label": "Code", "url": "https://example.org/a" }],
        "languages": [{ "tag": "en", "level": 5 }, { "tag": "nb", "level": 2 }],
        "skills": [{ "skill": "rust", "level": 5 }, { "skill": "sql", "level": 1 }],
        "experience": [{ "title": "Tutor", "organisation": "School", "from": "2024-09", "to": "2025", "summary": "Much" }],
        "education": [{ "title": "Maths", "organisation": "University", "from": "2023-10-01" }],
    }));
    let written = world.career.write_profile(&ann, &mine, 0).await.unwrap().profile;
    let out = world.career.resume(&ann).await.unwrap();
    assert_eq!(
        out["work"][0],
        json!({ "name": "School", "position": "Tutor", "startDate": "2024-09", "endDate": "2025", "summary": "Much" })
    );
    let taken = world.career.import_resume(&ben, &out, 0).await.unwrap();
    let mut expected = written.clone();
    let theirs = &taken.profile.profile;
    (expected.slug, expected.visibility) = (theirs.slug.clone(), theirs.visibility);
    assert_eq!(
        (theirs, taken.ignored),
        (&expected, vec!["/awards".into(), "/certificates".into(), "/projects".into()])
    );
    // What other programs write, and what is no résumé at all.
    let strange = json!({
        "basics": { "label": 7, "profiles": [{ "network": "X", "url": "ftp://x" }], "location": { "city": "Rome" } },
        "work": [{ "position": "Clerk" }, { "name": "Shop", "position": "Clerk", "startDate": "long ago" }],
        "skills": [{ "name": "Web", "keywords": ["React", "Vue", "Sorcery"], "level": "Master" }, { "name": "Sorcery" }],
        "languages": [{ "language": "Italian", "fluency": "Native speaker" }], "hobbies": [1, 2],
    });
    let taken = world.career.import_resume(&ben, &strange, 1).await.unwrap();
    let theirs = &taken.profile.profile;
    assert_eq!((theirs.location.as_str(), theirs.experience.len(), theirs.skills.len()), ("Rome", 1, 2));
    assert_eq!((theirs.skills[0].level, theirs.experience[0].from.as_ref()), (5, None));
    assert_eq!(taken.ignored, ["/hobbies", "/basics/profiles/0", "/work/0", "/skills/1", "/languages/0"]);
    for bad in [json!([]), json!("x"), json!(null)] {
        assert_eq!(world.career.import_resume(&ben, &bad, 2).await.unwrap_err().kind().status(), 422);
    }
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[^\\x00]{0,20}".prop_map(Value::from),
        Just(json!("2024-02-30")),
        Just(json!("rust")),
        Just(json!("en")),
    ];
    leaf.prop_recursive(3, 40, 6, |inner| {
        let names = prop::sample::select(vec![
            "basics",
            "work",
            "education",
            "skills",
            "languages",
            "name",
            "position",
            "label",
            "profiles",
            "network",
            "url",
            "keywords",
            "level",
            "language",
            "startDate",
            "location",
            "city",
            "institution",
            "area",
            "x",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(names.prop_map(String::from), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    /// Whatever the file: a profile within its bounds, or a 422 that names a place.
    #[test]
    fn no_resume_breaks_a_profile(files in prop::collection::vec(tree(), 20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let ann = person(Role::Student);
            for file in files {
                let version = world.career.own_profile(&ann).await.unwrap().version;
                match world.career.import_resume(&ann, &file, version).await {
                    Ok(taken) => prop_assert_eq!(taken.profile.version, version + 1),
                    Err(error) => prop_assert_eq!(error.kind().status(), 422, "{} {}", file, error),
                }
            }
            Ok(())
        })?;
    }
}
