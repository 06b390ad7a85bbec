//! What every [`EventLog`] must keep; run over each adapter.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::join_all;

pub use super::{Appended, Digest, Edit, Edited, Outcome, Page, RoomPatch, Slice, Stored, Top};
use super::{EventLog, StoreError};
pub use crate::contexts::chat::model::{Event, MemberAction, MemberChange, NewEvent, Payload, now};
use crate::{
    contexts::chat::model::{MessageId, RoomId, Seq},
    principal::UserId,
};

/// A message of `sender`, called `name`.
pub fn said(sender: UserId, name: &str) -> NewEvent {
    NewEvent {
        message_id: MessageId::new(),
        sender_id: sender,
        client_msg_id: name.parse().unwrap(),
        payload: Payload::Message { body: format!("this is {name}"), reply_to: None },
        created_at: now(),
        correlation_id: "contract-test".into(),
    }
}

/// A change of members: an event that is no message.
pub fn joined(user: UserId) -> NewEvent {
    let id = MessageId::new();
    NewEvent {
        message_id: id,
        sender_id: user,
        client_msg_id: crate::contexts::chat::model::ClientMsgId::internal(id.0),
        payload: Payload::Member {
            action: crate::contexts::chat::model::MemberAction::Joined,
            user_id: user,
            role: crate::contexts::chat::model::MemberRole::Member,
        },
        created_at: now(),
        correlation_id: "contract-test".into(),
    }
}

async fn room(log: &dyn EventLog) -> RoomId {
    let room = RoomId::new();
    let top = log.open(room).await.unwrap();
    assert_eq!((top.first_seq, top.last_seq), (1, 0));
    assert!(!top.epoch.is_empty());
    room
}

fn seqs(events: &[Event]) -> Vec<Seq> {
    events.iter().map(|event| event.seq).collect()
}

/// Everything below.
pub async fn all(log: Arc<dyn EventLog>) {
    opening_is_idempotent(&*log).await;
    events_are_numbered_and_read_back(&*log).await;
    duplicates_get_the_first_answer(&*log).await;
    a_batch_is_all_or_nothing(&*log).await;
    writers_share_one_gapless_row(log.clone()).await;
    writers_that_send_the_same_agree(log.clone()).await;
    messages_page_both_ways(&*log).await;
    a_cut_log_tells_where_it_begins(&*log).await;
    digests_count(&*log).await;
}

async fn opening_is_idempotent(log: &dyn EventLog) {
    let room = room(log).await;
    let (a, b) = (log.open(room).await.unwrap(), log.open(room).await.unwrap());
    assert_eq!(a, b);
    let unknown = RoomId::new();
    let batch = [said(UserId::new(), "x")];
    assert!(matches!(log.append(unknown, &batch).await, Err(StoreError::NoStream)));
    assert!(matches!(log.since(unknown, 0, 10).await, Err(StoreError::NoStream)));
}

async fn events_are_numbered_and_read_back(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let mut reply = said(ben, "b1");
    let first = said(ann, "a1");
    reply.payload =
        Payload::Message { body: "Grüße, \"Ann\"\n\t— 👋".into(), reply_to: Some(first.message_id) };
    let batch = vec![first, reply, joined(ben)];
    let done = log.append(room, &batch).await.unwrap();
    assert_eq!(done.prior, 0);
    assert_eq!(done.last_seq(), 3);
    let expected: Vec<Event> = batch.into_iter().zip(1..).map(|(event, seq)| event.at(seq)).collect();
    for (outcome, event) in done.outcomes.iter().zip(&expected) {
        assert_eq!(
            (outcome.seq, outcome.message_id, outcome.duplicate),
            (event.seq, event.message_id, false)
        );
    }
    let slice = log.since(room, 0, 100).await.unwrap();
    assert_eq!(slice.events, expected);
    assert_eq!((slice.top.first_seq, slice.top.last_seq, &slice.top.epoch), (1, 3, &done.epoch));
    assert_eq!(seqs(&log.since(room, 1, 1).await.unwrap().events), [2]);
    assert_eq!(seqs(&log.since(room, 3, 10).await.unwrap().events), [0; 0]);
    assert_eq!(seqs(&log.since(room, u64::MAX, 10).await.unwrap().events), [0; 0]);
    assert_eq!(log.message(room, expected[1].message_id).await.unwrap().as_ref(), Some(&expected[1]));
    assert_eq!(log.message(room, expected[2].message_id).await.unwrap(), None, "no message, though an event");
    assert_eq!(log.message(RoomId::new(), expected[1].message_id).await.unwrap(), None);
}

async fn duplicates_get_the_first_answer(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let once = log.append(room, &[said(ann, "same")]).await.unwrap();
    // Again; also twice within a batch, between others, and the same name by another sender.
    let batch = [
        said(ann, "n1"),
        said(ann, "same"),
        said(ann, "n2"),
        said(ann, "n2"),
        said(ben, "same"),
        said(ann, "n3"),
    ];
    let done = log.append(room, &batch).await.unwrap();
    let told: Vec<(Seq, bool)> = done.outcomes.iter().map(|o| (o.seq, o.duplicate)).collect();
    assert_eq!(told, [(2, false), (1, true), (3, false), (3, true), (4, false), (5, false)]);
    assert_eq!(done.outcomes[1].message_id, once.outcomes[0].message_id);
    assert_eq!(done.outcomes[3].message_id, batch[2].message_id);
    assert_eq!((done.prior, done.last_seq()), (1, 5));
    // The whole batch again: an unknown outcome, settled by a resend.
    let again = log.append(room, &batch).await.unwrap();
    assert!(again.outcomes.iter().all(|o| o.duplicate));
    assert_eq!((again.prior, again.last_seq()), (5, 5));
    for (a, b) in done.outcomes.iter().zip(&again.outcomes) {
        assert_eq!((a.seq, a.message_id), (b.seq, b.message_id));
    }
    // Even the very same event, id and all.
    assert!(log.append(room, &batch[..1]).await.unwrap().outcomes[0].duplicate);
    assert_eq!(seqs(&log.since(room, 0, 100).await.unwrap().events), [1, 2, 3, 4, 5]);
    // Another room knows nothing of it.
    let other = self::room(log).await;
    assert!(!log.append(other, &[said(ann, "same")]).await.unwrap().outcomes[0].duplicate);
}

async fn a_batch_is_all_or_nothing(log: &dyn EventLog) {
    let room = room(log).await;
    let ann = UserId::new();
    let mut bad = said(ann, "bad");
    // Outside of what any store keeps as a time, so it fails after the batch has begun.
    bad.created_at = chrono::DateTime::<chrono::Utc>::MIN_UTC;
    let failed = log.append(room, &[said(ann, "a"), bad, said(ann, "b")]).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(log.open(room).await.unwrap().last_seq, 0);
    assert_eq!(log.append(room, &[said(ann, "c")]).await.unwrap().outcomes[0].seq, 1);
}

async fn writers_share_one_gapless_row(log: Arc<dyn EventLog>) {
    let room = room(&*log).await;
    let writers = (0..8).map(|w| {
        let log = log.clone();
        tokio::spawn(async move {
            let sender = UserId::new();
            let mut mine = Vec::new();
            for n in 0..12 {
                let batch: Vec<NewEvent> =
                    (0..=n % 3).map(|i| said(sender, &format!("{w}-{n}-{i}"))).collect();
                let done = log.append(room, &batch).await.unwrap();
                let told: Vec<Seq> = done.outcomes.iter().map(|o| o.seq).collect();
                let expected: Vec<Seq> = (done.prior + 1..).take(batch.len()).collect();
                assert_eq!(told, expected, "a batch is one stretch right behind the top it tells");
                mine.extend(told);
            }
            mine
        })
    });
    let all: Vec<Seq> = join_all(writers).await.into_iter().flat_map(Result::unwrap).collect();
    let unique: HashSet<Seq> = all.iter().copied().collect();
    assert_eq!(unique.len(), all.len(), "no place twice");
    let slice = log.since(room, 0, 1_000).await.unwrap();
    assert_eq!(seqs(&slice.events), (1..=all.len() as Seq).collect::<Vec<_>>(), "no gap");
    assert_eq!(slice.top.last_seq, all.len() as Seq);
}

async fn writers_that_send_the_same_agree(log: Arc<dyn EventLog>) {
    let room = room(&*log).await;
    let sender = UserId::new();
    for round in 0..10 {
        let writers = (0..8).map(|_| {
            let log = log.clone();
            tokio::spawn(async move {
                let batch = [said(sender, &format!("one-{round}"))];
                log.append(room, &batch).await.unwrap().outcomes[0]
            })
        });
        let outcomes: Vec<Outcome> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(outcomes.iter().filter(|o| !o.duplicate).count(), 1);
        assert!(outcomes.iter().all(|o| o.seq == round + 1 && o.message_id == outcomes[0].message_id));
    }
}

async fn messages_page_both_ways(log: &dyn EventLog) {
    let room = room(log).await;
    let ann = UserId::new();
    // Messages on odd places, others between.
    for n in 0..5 {
        log.append(room, &[said(ann, &n.to_string()), joined(ann)]).await.unwrap();
    }
    let page = async |page, limit| {
        let (events, more) = log.messages(room, page, limit).await.unwrap();
        (seqs(&events), more)
    };
    assert_eq!(page(Page::Newest, 2).await, (vec![9, 7], true));
    assert_eq!(page(Page::Before(7), 2).await, (vec![5, 3], true));
    assert_eq!(page(Page::Before(3), 2).await, (vec![1], false));
    assert_eq!(page(Page::Before(1), 2).await, (vec![], false));
    assert_eq!(page(Page::After(0), 2).await, (vec![1, 3], true));
    assert_eq!(page(Page::After(3), 3).await, (vec![5, 7, 9], false));
    assert_eq!(page(Page::After(u64::MAX), 3).await, (vec![], false));
    assert_eq!(page(Page::Newest, 100).await, (vec![9, 7, 5, 3, 1], false));
}

async fn a_cut_log_tells_where_it_begins(log: &dyn EventLog) {
    let room = room(log).await;
    let ann = UserId::new();
    let batch: Vec<NewEvent> = (0..10).map(|n| said(ann, &n.to_string())).collect();
    let epoch = log.append(room, &batch).await.unwrap().epoch;
    let top = log.cut(room, 4).await.unwrap();
    assert_eq!(top, Top { epoch: epoch.clone(), first_seq: 4, last_seq: 10 });
    assert_eq!(log.cut(room, 2).await.unwrap(), top, "never back");
    let slice = log.since(room, 0, 3).await.unwrap();
    assert_eq!((seqs(&slice.events), slice.top.first_seq), (vec![4, 5, 6], 4));
    // Past the top: everything goes, the numbers go on.
    assert_eq!(log.cut(room, 99).await.unwrap().first_seq, 11);
    assert_eq!(log.append(room, &[said(ann, "next")]).await.unwrap().outcomes[0].seq, 11);
    let renewed = log.renew(room).await.unwrap();
    assert_ne!(renewed.epoch, epoch);
    assert_eq!((renewed.first_seq, renewed.last_seq), (11, 11));
    assert_eq!(log.open(room).await.unwrap(), renewed);
}

async fn digests_count(log: &dyn EventLog) {
    let (ann, ben) = (UserId::new(), UserId::new());
    let (busy, quiet) = (room(log).await, room(log).await);
    log.append(busy, &[said(ann, "1"), said(ben, "2"), said(ben, "3"), joined(ben)]).await.unwrap();
    let digests = log.digests(ann, &[(busy, 0), (quiet, 0), (RoomId::new(), 0)]).await.unwrap();
    assert_eq!(digests.len(), 2);
    assert_eq!(digests[&quiet], Digest::default());
    let digest = &digests[&busy];
    assert_eq!((digest.last_seq, digest.unread), (4, 2));
    assert_eq!(digest.last_message.as_ref().map(|event| event.seq), Some(3));
    assert_eq!(log.digests(ann, &[(busy, 2)]).await.unwrap()[&busy].unread, 1);
    assert!(log.digests(ann, &[]).await.unwrap().is_empty());
}
