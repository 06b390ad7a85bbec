//! Notifications and mails of the real server, killed in between.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use crate::tests::support::{
    server::{Person, Server},
    skip::skip,
    smtp::{MailServer, header},
    sql,
    wait::eventually,
};

async fn verified(server: &Server, name: &str) -> Person {
    let person = server.person(name).await;
    let verify = format!("update identity.users set email_verified_at = now() where id = '{}'", person.id);
    sql::execute(server, &[verify]).await;
    person
}

/// How many notifications that are no welcome somebody has.
async fn told(person: &Person) -> usize {
    let list = person.api.get("/api/v1/notifications?limit=100").await;
    let items = list.json["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter(|item| item["kind"] == "application.rejected").count()
}

/// Of each person, the ids of the mails that the server took.
fn taken(server: &MailServer) -> BTreeMap<String, Vec<String>> {
    let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in server.taken() {
        if mail.contains("was not chosen") {
            by.entry(header(&mail, "X-Seen-To").to_owned())
                .or_default()
                .push(header(&mail, "Message-ID").to_owned());
        }
    }
    by
}

/// From a message to its mail, through everything between: the room's log, the announcer, the event, the
/// notification, the mail. Somebody who is not to be disturbed gets it afterwards; who has muted the room or
/// blocked the sender, never.
#[actix_web::test]
async fn a_message_becomes_a_notification_and_a_mail() {
    let server = Server::start(&[]).await;
    let (ada, ben, cat) =
        (verified(&server, "Ada").await, verified(&server, "Ben").await, verified(&server, "Cat").await);
    let room = server.room(&ada, &[&ben, &cat]).await;
    let path = format!("/api/v1/chat/rooms/{room}");
    cat.api.call("PATCH", &format!("{path}/me"), Some(&json!({ "muted": true }))).await.expect_success();
    ben.api.call("PUT", "/api/v1/chat/status", Some(&json!({ "status": "dnd" }))).await.expect_success();
    let body = format!("<@{}> and <@{}>: look at `this`", ben.id, cat.id);
    let sent = json!({ "client_msg_id": "1", "body": body });
    ada.api.post(&format!("{path}/messages"), &sent).await.expect(201);

    let mentioned = async |person: &Person| {
        let list = person.api.get("/api/v1/notifications").await.expect(200);
        let items = list["items"].as_array().unwrap().clone();
        items.into_iter().find(|item| item["kind"] == "message.mentioned")
    };
    let item = eventually("Ben is told here", Duration::from_secs(20), || mentioned(&ben)).await;
    assert_eq!((&item["title"], &item["actor_id"]), (&json!("You were mentioned"), &json!(ada.id)));
    assert_eq!(item["link"], format!("/#room/{room}"));
    assert!(mentioned(&cat).await.is_none(), "she has muted the room");
    // The five minutes that a mail waits for its reader are over.
    let hurry = || "update notifications.mailings set next_at = now(), due_at = now()".to_owned();
    let folder = server.data_dir().join("outbox/mail");
    let mails = || -> Vec<String> {
        let entries =
            std::fs::read_dir(&folder).map(|entries| entries.flatten().collect()).unwrap_or_default();
        let entries: Vec<std::fs::DirEntry> = entries;
        let all = entries.iter().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
        all.filter(|mail| mail.contains("You were mentioned")).collect()
    };
    sql::execute(&server, &[hurry()]).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(mails().is_empty(), "he is not to be disturbed");
    ben.api.call("PUT", "/api/v1/chat/status", Some(&json!({ "status": "online" }))).await.expect_success();
    sql::execute(&server, &[hurry()]).await;
    eventually("he is mailed", Duration::from_secs(20), || async { (!mails().is_empty()).then_some(()) })
        .await;
    let all = mails();
    let [mail] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(header(mail, "To"), ben.email);
    assert!(mail.contains("(Ada)") && mail.contains("List-Unsubscribe"), "{mail}");
}

/// kill -9 again and again while events become notifications and mails: each notification once, each mail
/// at least once and under one Message-ID; twice only where the kill fell between the mail server's answer
/// and our note of it.
#[actix_web::test]
async fn killed_again_and_again_nothing_is_lost() {
    if let Some(why) = MailServer::missing() {
        skip!("SMTP: kill -9", why);
    }
    let smtp = MailServer::plain();
    let url = smtp.url();
    let env = [("SMTP_URL", url.as_str()), ("GIGSY_SMTP_TIMEOUT_SECONDS", "2")];
    let mut server = Server::start(&env).await;
    let mut people = Vec::new();
    for n in 0..4 {
        people.push(verified(&server, &format!("P{n}")).await);
    }
    let rounds = 6_usize;
    for round in 0..rounds {
        smtp.behave(["accept", "deaf", "stall", "fail", "accept", "deaf"][round % 6]);
        for person in &people {
            let data = json!({ "student_id": person.id, "gig_title": format!("Gig {round}") });
            sql::record(&server, "application.rejected", &data, 1).await;
        }
        tokio::time::sleep(Duration::from_millis(120 * round as u64 + 60)).await;
        server.kill9();
        server.restart().await;
    }
    smtp.behave("accept");
    for person in &people {
        eventually("every event is told", Duration::from_secs(60), || async {
            (told(person).await == rounds).then_some(())
        })
        .await;
    }
    // What failed comes back after its pause, which is cut short here.
    eventually("every mail is taken", Duration::from_secs(90), || async {
        let hurry = "update platform.mails set next_at = now() where state = 'waiting' and error is not null"
            .to_owned();
        sql::execute(&server, &[hurry]).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let by = taken(&smtp);
        let whole = |person: &Person| {
            let ids =
                by.get(&person.email).map(|ids| ids.iter().collect::<std::collections::BTreeSet<_>>().len());
            ids == Some(rounds)
        };
        people.iter().all(whole).then_some(())
    })
    .await;
    for person in &people {
        assert_eq!(told(person).await, rounds, "each once");
    }
    let by = taken(&smtp);
    let all: usize = by.values().map(Vec::len).sum();
    let doubled = all - rounds * people.len();
    println!("{all} mails of {} were taken; {doubled} came twice", rounds * people.len());
    assert!(by.values().all(|ids| ids.len() <= 2 * rounds));
}

/// The same with files, which are known by their names: exactly once.
#[actix_web::test]
async fn as_files_each_mail_is_there_exactly_once() {
    let mut server = Server::start(&[("GIGSY_SMTP_TIMEOUT_SECONDS", "2")]).await;
    let person = verified(&server, "Ada").await;
    let rounds = 5;
    for round in 0..rounds {
        let data = json!({ "student_id": person.id, "gig_title": format!("Gig {round}") });
        sql::record(&server, "application.rejected", &data, 2).await;
        tokio::time::sleep(Duration::from_millis(90 * round as u64 + 30)).await;
        server.kill9();
        server.restart().await;
    }
    let folder = server.data_dir().join("outbox/mail");
    let count = || {
        std::fs::read_dir(&folder)
            .map(|entries| {
                entries
                    .flatten()
                    .filter(|entry| entry.path().extension().is_some_and(|e| e == "eml"))
                    .filter(|entry| {
                        std::fs::read_to_string(entry.path()).is_ok_and(|m| m.contains("not chosen"))
                    })
                    .count()
            })
            .unwrap_or_default()
    };
    let wanted = 2 * rounds;
    // A claim that died with its worker ends by itself.
    eventually("every mail is a file", Duration::from_secs(120), || async {
        (count() >= wanted).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(count(), wanted);
    assert_eq!(told(&person).await, wanted);
}
