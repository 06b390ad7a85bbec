//! `kill -9` between a gig's posting and its matches: each right student is told once of each gig, live or
//! by recovery, with the reasons; so is who saved a search. Nobody else is.
//!
//! `GIGSY_TEST_KILLS` says how often the server is killed, `GIGSY_TEST_SEED` when and what happens.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use actix_web::rt::task::JoinHandle;
use serde_json::{Value, json};

use super::talk::token;
use crate::tests::support::{
    server::{PASSWORD, Person, Server, text},
    socket::Socket,
    sql,
    wait::eventually,
};

/// Kills, where the environment does not say.
const KILLS: u64 = 5;
/// The seed, where the environment does not say.
const SEED: u64 = 7;

/// What is under way yet: events, matches that are worked out, documents to index.
const OPEN: &str =
    "select (select count(*) from platform.outbox where published_at is null or received_at is null)
    + (select count(*) from platform.inbox where handled_at is null and died_at is null)
    + (select count(*) from discovery.matchings) as n";

/// Numbers that a seed makes ([SplitMix64](https://doi.org/10.1145/2714064.2660195)).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// What a device of somebody's has seen of their channel.
#[derive(Default)]
struct Seen {
    /// The stream's epoch and the last offset.
    at: Option<(Value, u64)>,
    /// Publications with an offset, by it.
    all: BTreeMap<u64, Value>,
    /// How many came as pushes.
    live: usize,
}

impl Seen {
    fn take(&mut self, publication: &Value) {
        let Some(offset) = publication["offset"].as_u64() else { return };
        let (_, last) = self.at.as_mut().expect("a position");
        assert_eq!(offset, *last + 1, "a gap, or twice the same: {publication}");
        *last = offset;
        self.all.insert(offset, publication["data"].clone());
    }
}

/// Somebody, what they can do, and their device.
struct Student {
    person: Person,
    skills: Vec<&'static str>,
    busy: bool,
    /// Skills of a search that they saved.
    saved: Option<&'static str>,
    /// Whether their device is on while gigs are posted.
    online: bool,
    /// How many gigs were there before them: of those they may be told, or not.
    since: usize,
    seen: Rc<RefCell<Seen>>,
    device: Option<JoinHandle<()>>,
}

impl Student {
    /// Whether a gig with these skills fits: they have half of them, and look for work.
    fn fits(&self, skills: &[&str]) -> bool {
        let has = skills.iter().filter(|skill| self.skills.contains(skill)).count();
        !self.busy && has * 2 >= skills.len()
    }

    fn searches(&self, skills: &[&str]) -> bool {
        self.saved.is_some_and(|saved| skills.contains(&saved))
    }

    fn channel(&self) -> String {
        format!("user:{}", self.person.id)
    }

    /// Turns the device on: it recovers what it missed, and goes on listening.
    async fn listen(&mut self, server: &Server) {
        let token = token(&self.person.api).await;
        let mut socket = Socket::open(server.base(), &[]).await.expect("a socket");
        let mut body = json!({ "token": token, "name": "test" });
        if let Some((epoch, offset)) = &self.seen.borrow().at {
            body["subs"] = json!({ self.channel(): { "recover": true, "offset": offset, "epoch": epoch } });
        }
        let reply = socket.command("connect", body).await.expect("connected");
        let sub = &reply["subs"][self.channel()];
        {
            let mut seen = self.seen.borrow_mut();
            if seen.at.is_some() {
                assert_eq!(sub["recovered"], true, "{sub}");
                sub["publications"].as_array().into_iter().flatten().for_each(|one| seen.take(one));
            } else {
                seen.at = Some((sub["epoch"].clone(), sub["offset"].as_u64().unwrap_or_default()));
            }
        }
        let (seen, channel) = (self.seen.clone(), self.channel());
        self.device = Some(actix_web::rt::spawn(async move {
            while let Ok(push) = socket.push().await {
                if push["push"]["channel"] == channel.as_str() && push["push"]["pub"]["offset"].is_u64() {
                    let mut seen = seen.borrow_mut();
                    seen.take(&push["push"]["pub"]);
                    seen.live += 1;
                }
            }
        }));
    }

    /// The server is gone: the device notices.
    async fn lose(&mut self) {
        if let Some(device) = self.device.take() {
            device.await.expect("no device panicked");
        }
    }

    /// Of which gigs the device was told, by the notification's kind; each as often as it was.
    fn told(&self, kind: &str) -> Vec<(String, Value)> {
        let seen = self.seen.borrow();
        let items = seen.all.values().filter(|data| data["type"] == "notification");
        let items = items.map(|data| data["notification"].clone()).filter(|item| item["kind"] == kind);
        items.map(|item| (text(&item, "/data/gig_id"), item)).collect()
    }
}

struct World {
    server: Server,
    client: Person,
    students: Vec<Student>,
    /// Gigs whose posting was acknowledged, with their skills.
    gigs: Vec<(String, Vec<&'static str>)>,
}

impl World {
    async fn start() -> Self {
        let server = Server::start(&[]).await;
        let email = format!("client-{}@example.test", uuid::Uuid::now_v7().simple());
        let form =
            json!({ "email": email, "password": PASSWORD, "display_name": "Client", "role": "client" });
        server.api().post("/api/v1/auth/register", &form).await.expect(201);
        sql::execute(&server, &["update identity.users set email_verified_at = now()".to_owned()]).await;
        let client = server.sign_in(&email, PASSWORD).await;
        Self { server, client, students: Vec::new(), gigs: Vec::new() }
    }

    /// Somebody comes, and says what they can do: that is acknowledged, and nothing waits for the indexes.
    async fn join(&mut self, skills: &[&'static str], busy: bool, saved: Option<&'static str>, online: bool) {
        let person = self.server.person("Student").await;
        let mut student = Student {
            person,
            skills: skills.to_vec(),
            busy,
            saved,
            online,
            since: self.gigs.len(),
            seen: Rc::default(),
            device: None,
        };
        student.listen(&self.server).await;
        if !online {
            // Where it was is known from then on.
            if let Some(device) = student.device.take() {
                device.abort();
            }
        }
        if let Some(skill) = saved {
            let search = json!({ "name": format!("All {skill}"), "skills": [skill] });
            student.person.api.post("/api/v1/saved-searches", &search).await.expect(201);
        }
        if !skills.is_empty() {
            let skills: Vec<Value> =
                skills.iter().map(|skill| json!({ "skill": skill, "level": 3 })).collect();
            let profile = json!({
                "slug": format!("s-{}", student.person.id), "headline": "A student", "skills": skills,
                "availability": if busy { "busy" } else { "open" },
                // Who hides is told all the same.
                "visibility": if self.students.len().is_multiple_of(2) { "private" } else { "public" },
            });
            let api = &student.person.api;
            let done = api.try_with("PUT", "/api/v1/me/profile", &[("if-match", "\"v0\"")], Some(&profile));
            done.await.expect("an answer").expect_success();
        }
        self.students.push(student);
    }

    /// Posts a gig; that is acknowledged when this returns.
    async fn post(&mut self, skills: &[&'static str]) {
        let n = self.gigs.len();
        let form = json!({
            "title": format!("Gig number {n}"), "description": "Work to be done", "skills": skills,
            "budget": { "amount_minor": 12_500, "currency": "EUR" },
        });
        let gig = text(&self.client.api.post("/api/v1/gigs", &form).await.expect(201), "/id");
        self.client.api.post(&format!("/api/v1/gigs/{gig}/post"), &json!({})).await.expect(200);
        self.gigs.push((gig, skills.to_vec()));
    }

    async fn crash(&mut self) {
        self.server.kill9();
        for student in &mut self.students {
            student.lose().await;
        }
        self.server.restart().await;
        for student in self.students.iter_mut().filter(|student| student.online) {
            student.listen(&self.server).await;
        }
    }

    /// Of which gigs a student is to be told, by skills and by the search they saved.
    fn due(&self, student: &Student) -> [BTreeSet<String>; 2] {
        let ids = |fits: &dyn Fn(&[&str]) -> bool| {
            let theirs = self.gigs[student.since..].iter().filter(|(_, skills)| fits(skills));
            theirs.map(|(id, _)| id.clone()).collect()
        };
        [ids(&|skills| student.fits(skills)), ids(&|skills| student.searches(skills))]
    }

    /// Whether the devices that are on know of everything they should.
    fn whole(&self) -> bool {
        self.students.iter().filter(|student| student.device.is_some()).all(|student| {
            let [matches, searches] = self.due(student);
            let told =
                |kind: &str| student.told(kind).into_iter().map(|(gig, _)| gig).collect::<BTreeSet<_>>();
            told("match.found").is_superset(&matches) && told("saved_search.matched").is_superset(&searches)
        })
    }

    /// Nothing twice, nothing to whom it is none of their business, each with its reasons; and the list says
    /// what the channel said.
    async fn check(&self) {
        for student in &self.students {
            let who = format!("{:?}, busy {}, saved {:?}", student.skills, student.busy, student.saved);
            let [matches, searches] = self.due(student);
            for (kind, wanted) in [("match.found", &matches), ("saved_search.matched", &searches)] {
                let told = student.told(kind);
                let early: Vec<&String> = self.gigs[..student.since].iter().map(|(id, _)| id).collect();
                let gigs: BTreeSet<String> = told.iter().map(|(gig, _)| gig.clone()).collect();
                assert_eq!(gigs.len(), told.len(), "one twice: {kind} for {who}: {told:?}");
                let gigs: BTreeSet<_> = gigs.into_iter().filter(|gig| !early.contains(&gig)).collect();
                assert_eq!(&gigs, wanted, "{kind} for {who}");
            }
            for (gig, item) in student.told("match.found") {
                let reasons = item["data"]["reasons"].as_array().cloned().unwrap_or_default();
                let (_, skills) = self.gigs.iter().find(|(id, _)| *id == gig).expect("a gig of ours");
                assert!(student.fits(skills), "{skills:?} for {who}");
                let all = skills.iter().all(|skill| student.skills.contains(skill));
                let first = reasons.first().and_then(Value::as_str).unwrap_or_default().to_lowercase();
                assert!(first.starts_with(if all { "you have" } else { "you have 1 of 2" }), "{item}");
                assert!(student.skills.iter().any(|skill| first.contains(skill)), "{item}");
            }
            let (mut listed, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("/api/v1/notifications?limit=100{cursor}");
                let page = student.person.api.get(&path).await.expect(200);
                let items = page["items"].as_array().cloned().unwrap_or_default();
                listed.extend(items.into_iter().filter(|item| item["kind"] == "match.found"));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = format!("&cursor={next}");
            }
            let mut listed: Vec<String> = listed.iter().map(|item| text(item, "/data/gig_id")).collect();
            listed.sort();
            let mut told: Vec<String> = student.told("match.found").into_iter().map(|(gig, _)| gig).collect();
            told.sort();
            assert_eq!(listed, told, "the list of {who}");
        }
    }
}

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

#[actix_web::test]
async fn kill_9_between_a_posting_and_its_matches_loses_and_doubles_nobody() {
    let (kills, seed) = (setting("GIGSY_TEST_KILLS", KILLS), setting("GIGSY_TEST_SEED", SEED));
    eprintln!("{kills} kills by the seed {seed}");
    let mut dice = Dice(seed);
    let mut world = World::start().await;
    world.join(&["rust", "sql"], false, None, true).await;
    world.join(&["rust"], false, Some("rust"), false).await;
    world.join(&["rust", "sql"], true, None, true).await;
    world.join(&["docker", "linux"], false, Some("sql"), true).await;
    world.join(&[], false, Some("docker"), true).await;
    world.join(&["testing"], false, None, true).await;
    let sorts: [&[&str]; 4] = [&["rust", "sql"], &["docker"], &["rust", "docker"], &["kotlin"]];
    let mut early = 0;
    for n in 0..kills {
        // Somebody who came a moment ago is a right student too.
        if dice.roll(2) == 0 {
            world.join(&["sql"], false, None, dice.roll(2) == 0).await;
        }
        for _ in 0..=dice.roll(3) {
            let skills = sorts[usize::try_from(dice.roll(4)).expect("small")];
            world.post(skills).await;
        }
        world.post(sorts[0]).await;
        // From at once to when most of it is done.
        let pause = if n % 3 == 0 { dice.roll(30) } else { dice.roll(600) };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        early += usize::from(!world.whole());
        world.crash().await;
    }
    // Who was away comes back.
    for student in world.students.iter_mut().filter(|student| !student.online) {
        student.listen(&world.server).await;
    }
    let before = std::time::Instant::now();
    eventually("everybody is told", Duration::from_secs(120), || async { world.whole().then_some(()) }).await;
    eprintln!(
        "whole {:?} after the last start; {early} of {kills} kills came before everybody knew",
        before.elapsed()
    );
    eventually("nothing is under way", Duration::from_secs(120), || async {
        (sql::number(&world.server, OPEN).await == 0).then_some(())
    })
    .await;
    // What goes out last goes out at once.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    world.check().await;
    let live: usize = world.students.iter().map(|student| student.seen.borrow().live).sum();
    let all: usize = world.students.iter().map(|student| student.seen.borrow().all.len()).sum();
    eprintln!(
        "{} gigs, {} students; {live} of {all} publications came live",
        world.gigs.len(),
        world.students.len()
    );
    assert!(early > 0 || kills == 0, "no kill came in time");
    assert!(live > 0, "nothing came live");
}
