//! A real mail server takes, refuses, stalls, and insists on TLS.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::world::World;
use crate::{
    ports::{
        Store,
        mail::{Letter, Mail, MailError, Sender, SmtpMail, SmtpSettings},
    },
    principal::UserId,
    tests::support::{
        skip::skip,
        smtp::{MailServer, header},
    },
};

fn settings(server: &MailServer, url: &str) -> SmtpSettings {
    SmtpSettings {
        url: url.parse().unwrap(),
        ca: server.ca().exists().then(|| server.ca()),
        timeout: Duration::from_secs(2),
        sender: Sender::parse("Gigsy <no-reply@gigsy.example.org>").unwrap(),
    }
}

fn letter() -> Letter {
    Letter {
        id: Uuid::now_v7(),
        to: "ada@example.org".into(),
        subject: "Grüße: 3 new applications".into(),
        text: "A text\n".into(),
        html: "<p>A text</p>".into(),
        unsubscribe: Some("https://gigsy.example.org/unsubscribe?token=abc".into()),
        calendar: None,
    }
}

#[tokio::test]
async fn a_mail_server_takes_refuses_and_stalls() {
    if let Some(why) = MailServer::missing() {
        skip!("SMTP: a mail server", why);
    }
    let server = MailServer::plain();
    let mail = SmtpMail::new(settings(&server, &server.url())).unwrap();
    assert!(mail.status().await.reachable);
    let letter = letter();
    mail.send(letter.clone()).await.unwrap();
    let taken = server.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(header(&taken[0], "Message-ID"), format!("<{}@gigsy.example.org>", letter.id.simple()));
    assert_eq!(header(&taken[0], "X-Seen-To"), "ada@example.org");
    assert_eq!(header(&taken[0], "List-Unsubscribe"), "<https://gigsy.example.org/unsubscribe?token=abc>");
    assert_eq!(header(&taken[0], "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(header(&taken[0], "Auto-Submitted"), "auto-generated");
    assert!(taken[0].contains("multipart/alternative"));

    server.behave("fail");
    assert!(matches!(mail.send(letter.clone()).await, Err(MailError::Unavailable(_))));
    server.behave("refuse");
    assert!(matches!(mail.send(letter.clone()).await, Err(MailError::Refused(_))));
    server.behave("stall");
    assert!(matches!(mail.send(letter.clone()).await, Err(MailError::Unavailable(_))));
    server.behave("accept");
    mail.send(letter).await.unwrap();
    assert_eq!(server.taken().len(), 2);

    // Nobody there.
    let gone = server.url();
    drop(server);
    let dead = MailServer::plain();
    let mail = SmtpMail::new(settings(&dead, &gone)).unwrap();
    assert!(!mail.status().await.reachable);
}

#[tokio::test]
async fn a_mail_server_that_insists_on_tls_gets_it_and_an_unknown_one_no_mail() {
    if let Some(why) = MailServer::missing() {
        skip!("SMTP: STARTTLS", why);
    }
    if !MailServer::has_tls() {
        skip!("SMTP: STARTTLS", "there is no openssl in PATH");
    }
    let server = MailServer::starttls();
    for tls in ["", "?tls=required", "?tls=opportunistic"] {
        let mail = SmtpMail::new(settings(&server, &format!("{}{tls}", server.url()))).unwrap();
        mail.send(letter()).await.unwrap();
    }
    let taken = server.taken();
    assert_eq!(taken.len(), 3);
    assert!(taken.iter().all(|mail| header(mail, "X-Seen-Tls") == "yes"));
    // Without its authority it could be anybody.
    let strangers = SmtpSettings { ca: None, ..settings(&server, &server.url()) };
    assert!(SmtpMail::new(strangers).unwrap().send(letter()).await.is_err());
    // It says 530 to whoever does not: ours to mend, so the mail waits.
    let bare = SmtpMail::new(settings(&server, &format!("{}?tls=none", server.url()))).unwrap();
    assert!(matches!(bare.send(letter()).await, Err(MailError::Unavailable(_))));
    // And a server without TLS gets nothing where it is required.
    let plain = MailServer::plain();
    let strict = SmtpMail::new(settings(&plain, &format!("{}?tls=required", plain.url()))).unwrap();
    assert!(strict.send(letter()).await.is_err());
    assert_eq!((server.taken().len(), plain.taken().len()), (3, 0));
}

/// Everything at once, through the queue: what the server failed comes later, once.
#[tokio::test]
async fn notifications_reach_a_mail_server_once_although_it_fails() {
    if let Some(why) = MailServer::missing() {
        skip!("SMTP: notifications", why);
    }
    let server = MailServer::plain();
    let via = Arc::new(SmtpMail::new(settings(&server, &server.url())).unwrap());
    let world = World::with("2026-03-10T12:00:00Z", via, tempfile::tempdir().unwrap()).await;
    server.behave("fail");
    let people: Vec<UserId> = (0..5).map(|_| UserId::new()).collect();
    for user in &people {
        world.applied(*user, Uuid::now_v7()).await;
    }
    world.mail().await;
    assert!(server.taken().is_empty());
    server.behave("accept");
    world.clock.advance(chrono::Duration::seconds(20));
    world.mail().await;
    let taken = server.taken();
    let mut to: Vec<&str> = taken.iter().map(|mail| header(mail, "X-Seen-To")).collect();
    to.sort_unstable();
    let mut expected: Vec<String> = people.iter().map(|u| format!("{}@example.org", u.0.simple())).collect();
    expected.sort_unstable();
    assert_eq!(to, expected);
}
