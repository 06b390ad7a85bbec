//! Mails that are due: the matrix, and once across crashes.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use chrono::Duration;
use futures_util::future::BoxFuture;
use serde_json::json;
use uuid::Uuid;

use super::world::{HOME, World, message};
use crate::{
    contexts::notifications::{
        Calm, Channels, Digest, NotificationsError, PreferencesForm, QuietHoursForm, Which,
    },
    ports::mail::{Letter, Mail, MailError},
    principal::UserId,
};

fn quiet(from: &str, to: &str) -> Option<QuietHoursForm> {
    Some(QuietHoursForm { from: from.into(), to: to.into() })
}

async fn choose(world: &World, user: UserId, form: PreferencesForm) {
    world.notifications.replace_preferences(user, 0, &form).await.unwrap();
}

/// Event × preference × quiet hours × digest: whether it is in the list, and after how long it is mailed.
#[expect(clippy::type_complexity, reason = "a table reads best as one")]
#[tokio::test]
async fn the_matrix() {
    const HERE: Channels = Channels { in_app: true, email: false, push: true };
    const MAIL: Channels = Channels { in_app: false, email: true, push: true };
    const BOTH: Channels = Channels { in_app: true, email: true, push: true };
    const NONE: Channels = Channels { in_app: false, email: false, push: true };
    let world = World::at("2026-03-10T21:30:00Z").await;
    let begin = world.now();
    let night = || quiet("22:00", "07:00");
    // Minutes until the mail; none: it is not mailed.
    let rows: Vec<(&str, Option<Channels>, bool, Option<QuietHoursForm>, Digest, bool, Option<i64>)> = vec![
        ("application.submitted", None, true, None, Digest::Immediate, true, Some(0)),
        ("application.submitted", Some(HERE), true, None, Digest::Immediate, true, None),
        ("application.submitted", Some(MAIL), true, None, Digest::Immediate, false, Some(0)),
        ("application.submitted", Some(NONE), true, None, Digest::Immediate, false, None),
        ("application.submitted", Some(BOTH), false, None, Digest::Immediate, true, None),
        ("application.submitted", Some(BOTH), true, None, Digest::Hourly, true, Some(30)),
        ("application.submitted", Some(BOTH), true, night(), Digest::Immediate, true, Some(0)),
        (
            "application.submitted",
            Some(BOTH),
            true,
            quiet("21:00", "22:15"),
            Digest::Immediate,
            true,
            Some(45),
        ),
        ("application.submitted", Some(BOTH), true, night(), Digest::Hourly, true, Some(570)),
        ("application.submitted", Some(MAIL), true, None, Digest::Daily, false, Some(630)),
        ("application.submitted", Some(BOTH), true, quiet("07:00", "12:00"), Digest::Daily, true, Some(870)),
        ("message.sent", None, true, None, Digest::Immediate, true, Some(10)),
        ("message.sent", None, true, quiet("21:35", "22:00"), Digest::Immediate, true, Some(30)),
        ("user.registered", None, true, None, Digest::Immediate, true, None),
        ("xp.awarded", None, true, None, Digest::Immediate, false, None),
        ("badge.awarded", Some(BOTH), true, None, Digest::Immediate, true, Some(0)),
    ];
    let mut people = Vec::new();
    for (subject, channels, email, quiet_hours, digest, ..) in &rows {
        let user = UserId::new();
        let kinds: BTreeMap<_, _> =
            channels.iter().map(|channels| ((*subject).to_owned(), *channels)).collect();
        let form = PreferencesForm {
            kinds,
            email: Some(*email),
            quiet_hours: quiet_hours.clone(),
            digest: Some(*digest),
            digest_hour: Some(8),
            ..PreferencesForm::default()
        };
        choose(&world, user, form).await;
        let data = json!({ "user_id": user, "owner_id": user, "user_ids": [user], "gig_id": Uuid::now_v7(),
            "room_id": Uuid::now_v7() });
        world.tell(subject, data).await;
        people.push(user);
    }
    // Minute by minute for a day; jumps to where something may be.
    let mut mailed: BTreeMap<UserId, i64> = BTreeMap::new();
    for minute in [0, 1, 9, 10, 29, 30, 44, 45, 569, 570, 629, 630, 869, 870, 2000] {
        world.clock.advance(begin + Duration::minutes(minute) - world.now());
        world.mail().await;
        let all = world.mails().join("\n");
        for user in &people {
            if all.contains(&format!("To: {}@example.org", user.0.simple())) {
                mailed.entry(*user).or_insert(minute);
            }
        }
    }
    for (user, row) in people.iter().zip(&rows) {
        let (subject, .., in_app, after) = row;
        assert_eq!(world.list(*user).await.len(), usize::from(*in_app), "{subject} {row:?}");
        assert_eq!(mailed.get(user), after.as_ref(), "{row:?}");
    }
    assert_eq!(world.mails().len(), mailed.len(), "one each");
    world.check().await;
}

#[tokio::test]
async fn a_digest_is_one_mail_of_what_is_still_unread() {
    let world = World::at("2026-03-10T12:00:00Z").await;
    let user = UserId::new();
    choose(
        &world,
        user,
        PreferencesForm { digest: Some(Digest::Daily), digest_hour: Some(18), ..Default::default() },
    )
    .await;
    let gig = Uuid::now_v7();
    for _ in 0..3 {
        world.applied(user, gig).await;
        world.clock.advance(Duration::hours(1));
    }
    world.applied(user, Uuid::now_v7()).await;
    world.tell("message.sent", message(Uuid::now_v7(), UserId::new(), user)).await;
    let read = world.list(user).await[1].id;
    world.notifications.read(user, &Which::Ids(vec![read])).await.unwrap();
    world.mail().await;
    assert!(world.mails().is_empty());
    world.clock.advance(Duration::hours(4));
    for _ in 0..2 {
        world.mail().await;
        let mails = world.mails();
        let [mail] = mails.as_slice() else { panic!("{mails:?}") };
        assert!(mail.contains("Subject: Your day on Gigsy: 2 notifications\r\n"), "{mail}");
        assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{mail}");
        assert!(mail.contains(&format!("List-Unsubscribe: <{HOME}/unsubscribe?token=")), "{mail}");
    }
    // What is mailed and grows is not mailed again at once, and then once.
    world.applied(user, gig).await;
    world.clock.advance(Duration::hours(24));
    world.mail().await;
    assert_eq!(world.mails().len(), 2);
    assert_eq!(world.count("SELECT count(*) FROM notifications.mailings").await, 0);
}

#[tokio::test]
async fn a_conversation_is_mailed_only_if_nobody_reads_it_here_and_then_not_word_by_word() {
    let world = World::new().await;
    let (ada, ben, room) = (UserId::new(), UserId::new(), Uuid::now_v7());
    for _ in 0..5 {
        world.tell("message.sent", message(room, ada, ben)).await;
        world.clock.advance(Duration::minutes(1));
    }
    world.notifications.read(ben, &Which::All).await.unwrap();
    world.clock.advance(Duration::minutes(10));
    world.mail().await;
    assert!(world.mails().is_empty(), "it was read");

    for _ in 0..30 {
        world.tell("message.sent", message(room, ada, ben)).await;
        world.clock.advance(Duration::minutes(1));
        world.mail().await;
    }
    assert_eq!(world.mails().len(), 1, "one, and another not before an hour is over");
    assert!(world.mails()[0].contains("new direct messages"), "{}", world.mails()[0]);
    world.clock.advance(Duration::minutes(60));
    world.mail().await;
    assert_eq!(world.mails().len(), 2);
}

#[tokio::test]
async fn an_address_that_nobody_proved_gets_nothing() {
    let world = World::new().await;
    let user = UserId::new();
    world.people.without_address.lock().unwrap().push(user);
    world.applied(user, Uuid::now_v7()).await;
    world.mail().await;
    assert!(world.mails().is_empty());
    assert_eq!(world.count("SELECT count(*) FROM notifications.mailings").await, 0);
    assert_eq!(world.list(user).await.len(), 1);
}

/// Quiet hours that were chosen after a mail became due hold it back too.
#[tokio::test]
async fn a_late_worker_keeps_quiet_hours_and_what_is_no_longer_wanted() {
    let world = World::at("2026-03-10T21:30:00Z").await;
    let (late, gone) = (UserId::new(), UserId::new());
    world.applied(late, Uuid::now_v7()).await;
    world.applied(gone, Uuid::now_v7()).await;
    choose(&world, late, PreferencesForm { quiet_hours: quiet("22:00", "07:00"), ..Default::default() })
        .await;
    choose(&world, gone, PreferencesForm { email: Some(false), ..Default::default() }).await;
    world.clock.advance(Duration::hours(2));
    world.mail().await;
    assert!(world.mails().is_empty());
    world.clock.advance(Duration::hours(8));
    world.mail().await;
    assert_eq!(world.mails().len(), 1);
    assert!(world.mails()[0].contains(&late.0.simple().to_string()));
}

/// Killed after each step: in the end there is one mail.
#[tokio::test]
async fn a_crash_neither_loses_nor_doubles() {
    let world = World::new().await;
    let user = UserId::new();
    let event = world.applied(user, Uuid::now_v7()).await;
    // The event is delivered again: its inbox row was not committed, it seemed.
    world.deliver(&world.teller, &event).await;
    assert_eq!(world.notifications.lease_mailings_and_die().await, 1);
    assert_eq!(world.notifications.mail_due().await.unwrap(), 0, "somebody has it");
    world.clock.advance(Duration::seconds(61));
    assert_eq!(world.notifications.mail_due().await.unwrap(), 1);
    assert_eq!(world.notifications.mail().claim_and_die().await, 1);
    assert_eq!(world.notifications.mail().tick().await.unwrap(), 0, "somebody has it");
    world.clock.advance(Duration::seconds(61));
    assert_eq!(world.notifications.mail().tick().await.unwrap(), 1);
    assert_eq!(world.mails().len(), 1);
    // The file was written and the row not marked: it is written again, and is there once.
    let mut conn = world.database.conn().await.unwrap();
    let again =
        "UPDATE platform.mails SET state = 'waiting', ended_at = NULL, text_part = 'x', html_part = 'x'";
    diesel_async::RunQueryDsl::execute(diesel::sql_query(again), &mut conn).await.unwrap();
    world.clock.advance(Duration::seconds(61));
    assert_eq!(world.notifications.mail().tick().await.unwrap(), 1);
    assert_eq!(world.mails().len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM platform.mails WHERE state = 'sent'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM platform.mails WHERE text_part IS NOT NULL").await, 0);
}

/// Several workers at once: each mail once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn workers_side_by_side_send_each_mail_once() {
    let world = Arc::new(World::new().await);
    for _ in 0..12 {
        world.applied(UserId::new(), Uuid::now_v7()).await;
    }
    let workers = (0..4).map(|_| {
        let world = world.clone();
        tokio::spawn(async move { world.mail().await })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    world.mail().await;
    assert_eq!(world.mails().len(), 12);
}

/// Fails as told, and counts.
#[derive(Default)]
struct Moody {
    mood: Mutex<Vec<MailError>>,
    tried: Mutex<Vec<Uuid>>,
}

#[async_trait]
impl Mail for Moody {
    async fn send(&self, letter: Letter) -> Result<(), MailError> {
        self.tried.lock().unwrap().push(letter.id);
        match self.mood.lock().unwrap().pop() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

#[tokio::test]
async fn failures_are_tried_again_ever_more_rarely_and_then_shown_to_operators() {
    let moody = Arc::new(Moody::default());
    let world = World::with("2026-03-10T12:00:00Z", moody.clone(), tempfile::tempdir().unwrap()).await;
    let away = || MailError::Unavailable("421 busy".into());
    *moody.mood.lock().unwrap() = (0..10).map(|_| away()).collect();
    world.applied(UserId::new(), Uuid::now_v7()).await;
    while world.notifications.mail_due().await.unwrap() > 0 {}
    let begin = world.now();
    let mut at = Vec::new();
    for _ in 0..300 {
        if world.notifications.mail().tick().await.unwrap() > 0 {
            at.push((world.now() - begin).num_seconds());
        }
        world.clock.advance(Duration::seconds(1));
    }
    // 15, 30, 60 seconds apart and up to a tenth more; four attempts are all.
    assert_eq!(at.len(), 4, "{at:?}");
    let pauses: Vec<i64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (pause, least) in pauses.iter().zip([15, 30, 60]) {
        assert!((least..=least + least / 10 + 2).contains(pause), "{pauses:?}");
    }
    let tried = moody.tried.lock().unwrap().clone();
    assert!(tried.iter().all(|id| *id == tried[0]), "one Message-ID");
    let report = world.notifications.mail().report().await.unwrap();
    assert_eq!((report.waiting, report.dead.len()), (0, 1));
    assert!(report.dead[0].error.as_deref().unwrap().contains("421 busy"));
    assert_eq!(report.dead[0].id, tried[0]);

    // What will never be taken is not tried again.
    *moody.mood.lock().unwrap() = vec![MailError::Refused("550 no such mailbox".into())];
    world.applied(UserId::new(), Uuid::now_v7()).await;
    world.mail().await;
    assert_eq!(world.notifications.mail().report().await.unwrap().dead.len(), 2);
    assert_eq!(moody.tried.lock().unwrap().len(), 5);
}

/// Those whom the test names are not to be disturbed.
#[derive(Default)]
struct Resting(Mutex<Vec<UserId>>);

impl Calm for Resting {
    fn undisturbed(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashSet<UserId>, NotificationsError>> {
        let resting = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(users.into_iter().filter(|user| resting.contains(user)).collect()) })
    }
}

#[tokio::test]
async fn who_is_not_to_be_disturbed_is_mailed_afterwards() {
    let world = World::new().await;
    let (one, two) = (UserId::new(), UserId::new());
    let resting = Arc::new(Resting(Mutex::new(vec![one])));
    world.notifications.heed(resting.clone());
    for user in [one, two] {
        world.applied(user, Uuid::now_v7()).await;
    }
    world.mail().await;
    let mails = |user: UserId| {
        world.mails().iter().filter(|mail| mail.contains(&user.0.simple().to_string())).count()
    };
    assert_eq!((world.list(one).await.len(), mails(one), mails(two)), (1, 0, 1), "told here, mailed later");
    // What they read meanwhile is mailed never, what they did not, once.
    world.applied(one, Uuid::now_v7()).await;
    let first = world.list(one).await[1].id;
    world.notifications.read(one, &Which::Ids(vec![first])).await.unwrap();
    world.clock.advance(Duration::minutes(30));
    world.mail().await;
    assert_eq!(mails(one), 0);
    resting.0.lock().unwrap().clear();
    for _ in 0..2 {
        world.clock.advance(Duration::minutes(2));
        world.mail().await;
        assert_eq!(mails(one), 1);
    }
    world.check().await;
}
