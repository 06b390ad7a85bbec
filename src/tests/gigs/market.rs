//! How work finds people: invitations and saved searches; what is made once a key.

use std::collections::BTreeSet;

use diesel_async::AsyncConnection;
use proptest::prelude::*;

use super::world::{World, person};
use crate::{
    contexts::gigs::{
        ApplicationId, ApplyForm, BudgetKind, GigForm, GigId, GigQuery, GigsError, InvitationForm,
        InvitationId, Live, SavedSearchForm, SavedSearchId, consumers,
    },
    error::Fault,
    events::{Consumer, Envelope},
    money::Currency,
    principal::{Principal, Role},
    realtime::{Hub, Personal},
    tests::chat::support::Node,
};

#[tokio::test]
async fn a_repeated_request_makes_one_gig_and_one_application() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let (gig, application) = (GigId::new(), ApplicationId::new());
    let form = World::form(1);
    for _ in 0..3 {
        assert_eq!(world.gigs.draft_as(&client, gig, &form).await.unwrap().id, gig);
    }
    let mine = GigQuery { mine: true, ..GigQuery::default() };
    assert_eq!(world.gigs.gigs(&client, mine, 10, None).await.unwrap().0.len(), 1);
    let stolen = world.gigs.draft_as(&person(Role::Client), gig, &form).await.unwrap_err();
    assert_eq!(stolen.kind().status(), 404, "somebody else's id tells nothing");
    world.gigs.move_gig(&client, gig, "post").await.unwrap();
    let apply = ApplyForm { proposal: "I draw".into(), answers: Vec::new() };
    for _ in 0..3 {
        assert_eq!(world.gigs.apply_as(&student, gig, application, &apply).await.unwrap().id, application);
    }
    assert_eq!(world.gigs.gig(&client, gig).await.unwrap().applications_count, 1);
    let other = world.gigs.apply(&student, gig, &apply).await.unwrap_err();
    assert!(matches!(other, GigsError::AppliedAlready));
}

#[tokio::test]
async fn a_client_invites_a_person_once() {
    let world = World::new().await;
    let (client, student) = (person(Role::Client), person(Role::Student));
    let gig = world.open_gig(&client, 1).await;
    let form = InvitationForm { student_id: student.user_id, note: " Your posters! ".into() };
    let id = InvitationId::new();
    assert!(!world.gigs.may_watch(&student, gig).await.unwrap());
    for _ in 0..2 {
        let sent = world.gigs.invite(&client, gig, id, &form).await.unwrap();
        assert_eq!((sent.id, sent.note.as_str()), (id, "Your posters!"));
    }
    let twice = world.gigs.invite(&client, gig, InvitationId::new(), &form).await.unwrap_err();
    assert!(matches!(twice, GigsError::InvitedAlready));
    let stranger =
        world.gigs.invite(&person(Role::Client), gig, InvitationId::new(), &form).await.unwrap_err();
    assert_eq!(stranger.kind().status(), 403);
    let oneself = InvitationForm { student_id: client.user_id, note: String::new() };
    let oneself = world.gigs.invite(&client, gig, InvitationId::new(), &oneself).await.unwrap_err();
    assert_eq!(oneself.kind().status(), 422);
    assert_eq!(world.gigs.my_invitations(&student, 10, None).await.unwrap().0[0].gig_id, gig);
    assert_eq!(world.gigs.invitations_of(&client, gig, 10, None).await.unwrap().0.len(), 1);
    assert_eq!(world.gigs.invitations_of(&student, gig, 10, None).await.unwrap_err().kind().status(), 403);
    assert!(world.gigs.may_watch(&student, gig).await.unwrap());
    assert!(!world.gigs.may_watch(&person(Role::Student), gig).await.unwrap());
    let told = events(&world, "invitation.sent").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].data["student_id"], serde_json::json!(student.user_id));
    world.gigs.move_gig(&client, gig, "cancel").await.unwrap();
    let late = InvitationForm { student_id: person(Role::Student).user_id, note: String::new() };
    let late = world.gigs.invite(&client, gig, InvitationId::new(), &late).await.unwrap_err();
    assert_eq!(late.kind().status(), 409);
}

#[tokio::test]
async fn searches_are_kept_forgotten_and_bounded() {
    let world = World::new().await;
    let (ann, ben) = (person(Role::Student), person(Role::Student));
    let form =
        SavedSearchForm { name: "Posters".into(), skills: vec!["Design".into()], ..Default::default() };
    let id = SavedSearchId::new();
    for _ in 0..2 {
        let kept = world.gigs.save_search(&ann, id, &form).await.unwrap();
        assert_eq!((kept.id, kept.skills.as_slice()), (id, &["design".to_owned()][..]));
    }
    assert_eq!(world.gigs.saved_searches(&ann).await.unwrap().len(), 1);
    assert!(matches!(world.gigs.forget_search(&ben, id).await.unwrap_err(), GigsError::No(_)));
    for bad in [
        SavedSearchForm { name: String::new(), ..form.clone() },
        SavedSearchForm { q: Some(" ".into()), ..form.clone() },
        SavedSearchForm { budget_min: Some(2), budget_max: Some(1), ..form.clone() },
        SavedSearchForm { skills: vec!["juggling".into()], ..form.clone() },
    ] {
        let refused = world.gigs.save_search(&ann, SavedSearchId::new(), &bad).await.unwrap_err();
        assert_eq!(refused.kind().status(), 422);
    }
    for _ in 1..20 {
        world.gigs.save_search(&ann, SavedSearchId::new(), &form).await.unwrap();
    }
    let full = world.gigs.save_search(&ann, SavedSearchId::new(), &form).await.unwrap_err();
    assert_eq!(full.kind().status(), 409);
    assert_eq!(world.gigs.saved_search(&ann, id).await.unwrap().name, "Posters");
    assert_eq!(world.gigs.saved_search(&ben, id).await.unwrap_err().kind().status(), 404);
    world.gigs.forget_search(&ann, id).await.unwrap();
    assert_eq!(world.gigs.saved_searches(&ann).await.unwrap().len(), 19);
}

async fn events(world: &World, subject: &str) -> Vec<Envelope> {
    super::news::recorded(world).await.into_iter().filter(|event| event.subject == subject).collect()
}

/// Delivers an event as the dispatcher does: once, in a transaction.
async fn deliver(world: &World, consumer: &dyn Consumer, event: &Envelope) {
    let mut conn = world.database.conn().await.unwrap();
    (*conn)
        .transaction(async |conn| {
            consumer.handle(conn, event).await.map_err(|_| diesel::result::Error::RollbackTransaction)
        })
        .await
        .unwrap();
}

fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    ProptestConfig { cases, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() }
}

fn search() -> impl Strategy<Value = SavedSearchForm> {
    let skills = proptest::sample::subsequence(vec!["design".to_owned(), "rust".into(), "sql".into()], 0..=2);
    let q =
        proptest::option::of(proptest::sample::select(vec!["poster", "May", "100%", "o_ter", "concert may"]));
    let least = proptest::option::of(0i64..300);
    let most = proptest::option::of(0i64..300);
    let currency =
        proptest::option::of(proptest::sample::select(vec![Currency::EUR, "USD".parse().unwrap()]));
    let kind = proptest::option::of(proptest::sample::select(vec![BudgetKind::Fixed, BudgetKind::Hourly]));
    (skills, q, least, most, currency, kind).prop_map(
        |(skills, q, budget_min, budget_max, currency, kind)| {
            let most = budget_max.filter(|most| budget_min.is_none_or(|least| least <= *most));
            let q = q.map(str::to_owned);
            SavedSearchForm { name: "Mine".into(), q, skills, budget_min, budget_max: most, currency, kind }
        },
    )
}

fn gig() -> impl Strategy<Value = GigForm> {
    let skills = proptest::sample::subsequence(vec!["design".to_owned(), "rust".into(), "sql".into()], 0..=3);
    let title = proptest::sample::select(vec!["A poster", "100% wool", "A P_o_ter", "Nothing of it"]);
    (skills, title, 1i64..300, 0i64..100, any::<bool>(), any::<bool>()).prop_map(
        |(skills, title, least, more, euro, hourly)| {
            let mut form = World::form(1);
            form.title = title.into();
            form.skills = skills;
            form.budget.amount_minor = least;
            form.budget.max_amount_minor = Some(least + more);
            form.budget.currency = if euro { Currency::EUR } else { "USD".parse().unwrap() };
            form.budget.kind = if hourly { BudgetKind::Hourly } else { BudgetKind::Fixed };
            form
        },
    )
}

/// The searches that a posted gig was told to meet.
async fn met(
    world: &World,
    consumer: &dyn Consumer,
    owner: &Principal,
    form: &GigForm,
) -> (GigId, BTreeSet<String>) {
    let gig = world.gigs.draft(owner, form).await.unwrap().id;
    world.gigs.move_gig(owner, gig, "post").await.unwrap();
    let posted = events(world, "gig.posted").await.pop().unwrap();
    deliver(world, consumer, &posted).await;
    let told = events(world, "saved_search.matched").await;
    let here = told.into_iter().filter(|event| event.data["gig_id"] == serde_json::json!(gig));
    (gig, here.map(|event| event.aggregate).collect())
}

proptest! {
    #![proptest_config(cases())]

    /// A gig is told to those searches, and no others, whose list shows it.
    #[test]
    fn a_saved_search_finds_what_its_list_shows(
        searches in proptest::collection::vec(search(), 1..8), gigs in proptest::collection::vec(gig(), 1..5),
    ) {
        actix_web::rt::System::new().block_on(async {
            let world = World::new().await;
            let node = Node::on(&world.test).await;
            let hub = Hub::new();
            let all = consumers(&Live::new(hub.clone(), Personal::new(hub)), &node.chat);
            let consumer = all.iter().find(|one| one.name() == "gigs.searches").unwrap();
            let (student, client) = (person(Role::Student), person(Role::Client));
            let mut kept = Vec::new();
            for form in &searches {
                kept.push(world.gigs.save_search(&student, SavedSearchId::new(), form).await.unwrap().id);
            }
            // One's own gig is no news.
            let own = SavedSearchForm { name: "All".into(), ..SavedSearchForm::default() };
            world.gigs.save_search(&client, SavedSearchId::new(), &own).await.unwrap();
            for form in &gigs {
                let (gig, told) = met(&world, &**consumer, &client, form).await;
                let mut shown = BTreeSet::new();
                for (form, id) in searches.iter().zip(&kept) {
                    let query = GigQuery {
                        q: form.q.clone(), skills: form.skills.clone(), budget_min: form.budget_min,
                        budget_max: form.budget_max, currency: form.currency, kind: form.kind,
                        ..GigQuery::default()
                    };
                    let list = world.gigs.gigs(&student, query, 100, None).await.unwrap().0;
                    if list.iter().any(|one| one.id == gig) {
                        shown.insert(id.to_string());
                    }
                }
                prop_assert_eq!(told, shown, "{:?}", form);
            }
            Ok(())
        })?;
    }
}
