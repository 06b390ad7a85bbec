//! What every [`ActivityStream`] must keep; run over each adapter.

use chrono::{Duration, SubsecRound, Utc};
use serde_json::json;
use uuid::Uuid;

use super::ActivityStream;
use crate::{
    contexts::activity::{Entry, Object},
    postgres::Database,
    principal::UserId,
};

fn entry(actor: UserId, n: i64, public: bool) -> Entry {
    Entry {
        id: Entry::id_of(Uuid::now_v7(), actor),
        actor_id: actor,
        verb: "gig.posted".into(),
        object: Object { kind: "gig".into(), id: Uuid::now_v7() },
        public,
        data: json!({"title": "Größe", "n": n, "more": {"of": [1, 2.5, null]}}),
        at: (Utc::now() - Duration::days(n)).trunc_subsecs(3),
    }
}

/// All of it. `db` is any database: who tells is in a transaction of one.
pub async fn all(stream: &dyn ActivityStream, db: &Database) {
    let mut conn = db.conn().await.unwrap();
    let (ann, ben, cat) = (UserId::new(), UserId::new(), UserId::new());
    let mut written = Vec::new();
    for n in 0..10 {
        // Ids of one millisecond are in no order.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        written.push(entry(if n % 3 == 0 { ben } else { ann }, n, n % 2 == 0));
    }
    stream.append(&mut conn, &[]).await.unwrap();
    stream.append(&mut conn, &written[..6]).await.unwrap();
    // Some of them again, changed: the first stays.
    let again: Vec<Entry> =
        written[4..].iter().map(|e| Entry { verb: e.verb.clone(), ..e.clone() }).collect();
    let forged: Vec<Entry> = written[..2].iter().map(|e| Entry { verb: "x".into(), ..e.clone() }).collect();
    stream.append(&mut conn, &again).await.unwrap();
    stream.append(&mut conn, &forged).await.unwrap();

    let newest: Vec<Entry> = written.iter().rev().cloned().collect();
    let of = |people: &[UserId], public: bool| -> Vec<Entry> {
        newest.iter().filter(|e| people.contains(&e.actor_id) && (e.public || !public)).cloned().collect()
    };
    assert_eq!(stream.of(&[ann, ben, cat], false, None, 100).await.unwrap(), newest);
    assert_eq!(stream.of(&[ann], false, None, 100).await.unwrap(), of(&[ann], false));
    assert_eq!(stream.of(&[ann, ben], true, None, 100).await.unwrap(), of(&[ann, ben], true));
    assert!(stream.of(&[cat], false, None, 100).await.unwrap().is_empty());
    assert!(stream.of(&[], false, None, 100).await.unwrap().is_empty());
    // Page by page, while somebody adds to it.
    let (mut walked, mut before) = (Vec::new(), None);
    loop {
        let page = stream.of(&[ann, ben], false, before, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        walked.extend(page);
        stream.append(&mut conn, &[entry(ann, 0, true)]).await.unwrap();
    }
    assert_eq!(walked, newest);

    // What one follows: people, or what is about a skill; public, and of nobody who is left out.
    let (dan, eve) = (UserId::new(), UserId::new());
    let mut told = Vec::new();
    for (who, skill, public) in
        [(dan, "rust", true), (eve, "sql", true), (eve, "rust", false), (eve, "rust", true)]
    {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        let mut one = entry(who, 0, public);
        one.data = json!({ "skills": [skill, "x"] });
        told.push(one);
    }
    stream.append(&mut conn, &told).await.unwrap();
    let skills = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let shown = async |people: &[UserId], names: &[&str], not: &[UserId], before| {
        let found = stream.followed(people, &skills(names), not, before, 9).await.unwrap();
        found.iter().map(|entry| told.iter().position(|one| one.id == entry.id).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&[dan], &["rust"], &[], None).await, [3, 0]);
    assert_eq!(shown(&[eve], &[], &[], None).await, [3, 1]);
    assert_eq!(shown(&[eve, dan], &["rust", "sql"], &[eve], None).await, [0]);
    assert_eq!(shown(&[eve, dan], &["sql"], &[], Some(told[3].id)).await, [1, 0]);
    assert_eq!(shown(&[], &[], &[], None).await, [] as [usize; 0]);

    let mut about = entry(cat, 0, true);
    about.object = Object { kind: "person".into(), id: ben.0 };
    stream.append(&mut conn, &[about]).await.unwrap();
    stream.erase(&mut conn, ben).await.unwrap();
    assert!(stream.of(&[ben, cat], false, None, 100).await.unwrap().is_empty());
    let kept = of(&[ann], false);
    assert_eq!(stream.expire(Utc::now() - Duration::days(6)).await.unwrap(), 2, "7 and 8 days old");
    let left = stream.of(&[ann], false, None, 100).await.unwrap();
    assert!(kept[2..].iter().all(|entry| left.contains(entry)));
    assert!(kept[..2].iter().all(|entry| !left.contains(entry)));
}
