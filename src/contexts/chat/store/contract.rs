//! What every [`EventLog`] must keep; run over each adapter.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::join_all;

pub use super::{
    Appended, Digest, Edit, Edited, Messages, Outcome, Page, Reader, RoomPatch, Slice, Stored, Top,
};
use super::{EventLog, StoreError};
pub use crate::contexts::chat::model::{
    Attachment, Event, MemberAction, MemberChange, Mentions, Message, NewEvent, Payload, Reaction, Said,
    fold, now,
};
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
        payload: Payload::Message(Said::text(format!("this is {name}"))),
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

fn places(messages: &[Message]) -> Vec<Seq> {
    messages.iter().map(|message| message.seq).collect()
}

/// An event of `sender` that is no message of theirs.
pub fn does(sender: UserId, payload: Payload) -> NewEvent {
    NewEvent { payload, ..joined(sender) }
}

/// A message of `sender` that says `body`.
pub fn says(sender: UserId, body: &str) -> NewEvent {
    does(sender, Payload::Message(Said::text(body)))
}

/// A reply of `sender` in the thread of `root`.
pub fn replies(sender: UserId, root: MessageId) -> NewEvent {
    let said = Said { reply_to: Some(root), thread: Some(root), ..Said::text("a reply") };
    does(sender, Payload::Message(said))
}

/// `sender` edits `target`.
pub fn edits(sender: UserId, target: MessageId, body: &str) -> NewEvent {
    does(sender, Payload::Edit { target, body: body.into(), mentions: Mentions::default() })
}

/// `sender` deletes `target`.
pub fn deletes(sender: UserId, target: MessageId, thread: Option<MessageId>) -> NewEvent {
    does(sender, Payload::Delete { target, thread })
}

/// `sender` reacts to `target`, or takes it back.
pub fn reacts(sender: UserId, target: MessageId, emoji: &str, added: bool) -> NewEvent {
    does(sender, Payload::Reaction { target, emoji: emoji.into(), added })
}

/// `sender` pins `target`, or no longer.
pub fn pins(sender: UserId, target: MessageId, pinned: bool) -> NewEvent {
    does(sender, Payload::Pin { target, pinned })
}

/// What a reader makes of a log who has followed it from its first event.
pub async fn replayed(log: &dyn EventLog, room: RoomId) -> Vec<Message> {
    let mut known = std::collections::HashMap::new();
    for event in log.since(room, 0, 10_000).await.unwrap().events {
        fold(&mut known, &event);
    }
    let mut found: Vec<Message> = known.into_values().collect();
    found.sort_by_key(|message| message.seq);
    found
}

/// All messages of a room, oldest first.
pub async fn history(log: &dyn EventLog, room: RoomId) -> Vec<Message> {
    log.messages(room, Page::After(0), 10_000).await.unwrap().0
}

/// Everything below.
pub async fn all(log: Arc<dyn EventLog>) {
    opening_is_idempotent(&*log).await;
    events_are_numbered_and_read_back(&*log).await;
    several_logs_are_read_at_once(&*log).await;
    duplicates_get_the_first_answer(&*log).await;
    a_batch_is_all_or_nothing(&*log).await;
    writers_share_one_gapless_row(log.clone()).await;
    writers_that_send_the_same_agree(log.clone()).await;
    messages_page_both_ways(&*log).await;
    a_cut_log_tells_where_it_begins(&*log).await;
    what_somebody_wrote_is_found_room_by_room(&*log).await;
    digests_count(&*log).await;
    changes_are_folded_in(&*log).await;
    a_deleted_text_is_gone(&*log).await;
    threads_page_and_count(&*log).await;
    pins_are_listed(&*log).await;
    mentions_count(&*log).await;
    words_are_found(&*log).await;
    every_sort_of_event_reads_back(&*log).await;
    tops_are_walked(&*log).await;
    folding_again_makes_the_same(&*log).await;
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
    reply.payload = Payload::Message(Said {
        body: "Grüße, \"Ann\"\n\t— 👋".into(),
        reply_to: Some(first.message_id),
        thread: Some(first.message_id),
        mentions: Mentions { users: vec![ann], room: false },
        attachments: vec![Attachment {
            object_id: first.message_id.0,
            name: "plan.pdf".into(),
            media_type: "application/pdf".into(),
            size: 5_000_000_000,
        }],
    });
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
    assert_eq!(log.message(room, expected[1].message_id).await.unwrap(), Message::said(&expected[1]));
    let first = log.message(room, expected[0].message_id).await.unwrap().unwrap();
    assert_eq!((first.replies, first.last_reply_at), (1, Some(expected[1].created_at)));
    assert_eq!(log.message(room, expected[2].message_id).await.unwrap(), None, "no message, though an event");
    assert_eq!(log.message(RoomId::new(), expected[1].message_id).await.unwrap(), None);
}

async fn several_logs_are_read_at_once(log: &dyn EventLog) {
    let (long, cut, empty, unknown) = (room(log).await, room(log).await, room(log).await, RoomId::new());
    let batch: Vec<NewEvent> = (0..5).map(|n| said(UserId::new(), &n.to_string())).collect();
    for room in [long, cut] {
        log.append(room, &batch).await.unwrap();
    }
    log.cut(cut, 4).await.unwrap();
    let read = log.since_each(&[(long, 1), (unknown, 0), (cut, 0), (empty, 0)], 3).await.unwrap();
    let mut rooms = Vec::new();
    for (room, slice) in &read {
        let after = if *room == long { 1 } else { 0 };
        assert_eq!(*slice, log.since(*room, after, 3).await.unwrap());
        rooms.push((*room, seqs(&slice.events)));
    }
    assert_eq!(rooms, [(long, vec![2, 3, 4]), (cut, vec![4, 5]), (empty, vec![])]);
    assert!(log.since_each(&[], 3).await.unwrap().is_empty());
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
        let (found, more) = log.messages(room, page, limit).await.unwrap();
        (places(&found), more)
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

async fn what_somebody_wrote_is_found_room_by_room(log: &dyn EventLog) {
    let (ann, ben) = (UserId::new(), UserId::new());
    let mut wanted = Vec::new();
    for n in 0..3 {
        let room = room(log).await;
        let mine = [said(ann, "a"), said(ann, "b"), said(ann, "c")];
        log.append(room, &[joined(ann), said(ben, "x"), mine[0].clone(), mine[1].clone()]).await.unwrap();
        log.append(room, &[deletes(ann, mine[0].message_id, None), said(ben, "y"), mine[2].clone()])
            .await
            .unwrap();
        if n == 1 {
            log.cut(room, 4).await.unwrap();
        }
        let live = [(3, false), (4, true), (7, true)].into_iter().skip(usize::from(n == 1));
        wanted.extend(live.map(|(seq, live)| (room, seq, live)));
    }
    wanted.sort_unstable();
    for limit in [1, 2, 3, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = log.written(ann, after, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some((room, last)) = page.last() else { break };
            after = Some((*room, last.seq));
            found.extend(page.iter().map(|(room, message)| (*room, message.seq, message.is_live())));
            assert!(page.iter().all(|(_, message)| message.sender_id == ann));
        }
        assert_eq!(found, wanted, "in pages of {limit}");
    }
    assert!(log.written(UserId::new(), None, 10).await.unwrap().is_empty());
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
    let digests =
        log.digests(Reader::plain(ann), &[(busy, 0), (quiet, 0), (RoomId::new(), 0)]).await.unwrap();
    assert_eq!(digests.len(), 2);
    assert_eq!(digests[&quiet], Digest::default());
    let digest = &digests[&busy];
    assert_eq!((digest.last_seq, digest.unread), (4, 2));
    assert_eq!(digest.last_message.as_ref().map(|event| event.seq), Some(3));
    assert_eq!(log.digests(Reader::plain(ann), &[(busy, 2)]).await.unwrap()[&busy].unread, 1);
    assert!(log.digests(Reader::plain(ann), &[]).await.unwrap().is_empty());
}

async fn changes_are_folded_in(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let (first, second) = (says(ann, "helo"), says(ben, "hi"));
    let (a, b) = (first.message_id, second.message_id);
    log.append(room, &[first, second]).await.unwrap();
    log.append(room, &[edits(ann, a, "hello"), reacts(ben, a, "👍", true), reacts(ann, a, "🎉", true)])
        .await
        .unwrap();
    let message = log.message(room, a).await.unwrap().unwrap();
    assert_eq!((message.body.as_str(), message.changed_seq, message.seq), ("hello", 5, 1));
    assert!(message.edited_at.is_some() && message.is_live());
    let people: Vec<(&str, &[UserId])> =
        message.reactions.iter().map(|r| (r.emoji.as_str(), r.user_ids.as_slice())).collect();
    assert_eq!(people, [("👍", [ben].as_slice()), ("🎉", [ann].as_slice())]);
    // Twice is once; taking back what is not there is nothing; an emoji nobody holds goes.
    log.append(room, &[reacts(ben, a, "👍", true), reacts(ann, a, "👍", true), reacts(ann, b, "👎", false)])
        .await
        .unwrap();
    log.append(room, &[reacts(ann, a, "🎉", false), reacts(ben, a, "👍", false)]).await.unwrap();
    let message = log.message(room, a).await.unwrap().unwrap();
    assert_eq!(message.reactions, [Reaction { emoji: "👍".into(), user_ids: vec![ann] }]);
    // A message and what happens to it in one batch; a target that is not there.
    let third = says(ann, "third");
    let c = third.message_id;
    log.append(room, &[third, edits(ann, c, "3rd"), edits(ann, MessageId::new(), "nobody")]).await.unwrap();
    assert_eq!(log.message(room, c).await.unwrap().unwrap().body, "3rd");
    assert_eq!(history(log, room).await, replayed(log, room).await);
}

async fn a_deleted_text_is_gone(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let mut secret = says(ann, "the secret is 4711");
    secret.payload = Payload::Message(Said {
        mentions: Mentions { users: vec![ben], room: true },
        attachments: vec![Attachment {
            object_id: ann.0,
            name: "secret.txt".into(),
            media_type: "text/plain".into(),
            size: 1,
        }],
        ..Said::text("the secret is 4711")
    });
    let id = secret.message_id;
    let other = says(ann, "something else");
    log.append(room, &[secret, edits(ann, id, "the secret is 4712"), pins(ann, id, true), other])
        .await
        .unwrap();
    log.append(room, &[reacts(ben, id, "👀", true), deletes(ben, id, None)]).await.unwrap();
    // What comes later has no effect.
    log.append(room, &[edits(ann, id, "secret again"), reacts(ben, id, "👍", true), pins(ann, id, true)])
        .await
        .unwrap();
    let gone = log.message(room, id).await.unwrap().unwrap();
    assert_eq!(gone.deleted.as_ref().map(|deleted| deleted.by), Some(ben));
    assert_eq!((gone.body.as_str(), gone.changed_seq), ("", 9));
    assert!(gone.mentions.is_empty() && gone.attachments.is_empty() && gone.reactions.is_empty());
    assert_eq!((gone.pinned, gone.edited_at), (None, None));
    let slice = log.since(room, 0, 100).await.unwrap();
    assert_eq!(seqs(&slice.events), (1..=9).collect::<Vec<_>>(), "no place is lost");
    let before: Vec<&Event> = slice.events.iter().take_while(|event| event.seq < 6).collect();
    assert!(!format!("{before:?}").contains("secret"), "{before:?}");
    let digest = log.digests(Reader::plain(ben), &[(room, 0)]).await.unwrap().remove(&room).unwrap();
    assert_eq!((digest.unread, digest.mentions), (1, 0));
    assert!(log.pinned(room, 10).await.unwrap().is_empty());
    assert_eq!(history(log, room).await, replayed(log, room).await);
    // Deleted a second time, by another: the first stays.
    log.append(room, &[deletes(ann, id, None)]).await.unwrap();
    assert_eq!(log.message(room, id).await.unwrap().unwrap().deleted.unwrap().by, ben);
}

async fn threads_page_and_count(log: &dyn EventLog) {
    let room = room(log).await;
    let ann = UserId::new();
    let root = says(ann, "root");
    let id = root.message_id;
    let first = replies(ann, id);
    let second = replies(ann, id);
    let (one, two) = (first.message_id, second.message_id);
    log.append(room, &[root, first, says(ann, "aside"), second]).await.unwrap();
    log.append(room, &[replies(ann, id)]).await.unwrap();
    let thread = async |after, limit| {
        let (found, more) = log.thread(room, id, after, limit).await.unwrap();
        (places(&found), more)
    };
    assert_eq!(thread(0, 2).await, (vec![2, 4], true));
    assert_eq!(thread(4, 2).await, (vec![5], false));
    assert_eq!(log.message(room, id).await.unwrap().unwrap().replies, 3);
    assert!(log.thread(room, one, 0, 10).await.unwrap().0.is_empty());
    log.append(room, &[deletes(ann, one, Some(id)), deletes(ann, one, Some(id)), edits(ann, two, "2nd")])
        .await
        .unwrap();
    let root = log.message(room, id).await.unwrap().unwrap();
    assert_eq!((root.replies, root.changed_seq), (2, 6));
    let (found, _) = log.thread(room, id, 0, 10).await.unwrap();
    assert!(!found[0].is_live() && found[1].body == "2nd");
    assert_eq!(history(log, room).await, replayed(log, room).await);
}

async fn pins_are_listed(log: &dyn EventLog) {
    let room = room(log).await;
    let ann = UserId::new();
    let batch: Vec<NewEvent> = ["a", "b", "c"].iter().map(|body| says(ann, body)).collect();
    let ids: Vec<MessageId> = batch.iter().map(|event| event.message_id).collect();
    log.append(room, &batch).await.unwrap();
    log.append(room, &[pins(ann, ids[2], true), pins(ann, ids[0], true), pins(ann, ids[1], true)])
        .await
        .unwrap();
    log.append(room, &[pins(ann, ids[2], false)]).await.unwrap();
    assert_eq!(places(&log.pinned(room, 10).await.unwrap()), [2, 1]);
    assert_eq!(places(&log.pinned(room, 1).await.unwrap()), [2]);
    let pinned = log.message(room, ids[0]).await.unwrap().unwrap().pinned.unwrap();
    assert_eq!((pinned.by, pinned.seq), (ann, 5));
}

async fn mentions_count(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, ben, cat) = (UserId::new(), UserId::new(), UserId::new());
    let mention = |sender, users: &[UserId], room| {
        let mentions = Mentions { users: users.to_vec(), room };
        does(sender, Payload::Message(Said { mentions, ..Said::text("look") }))
    };
    let batch = [
        mention(ann, &[ben], false),
        mention(ann, &[ben, cat], true),
        mention(cat, &[ben], false),
        says(ben, "?"),
    ];
    let (one, three) = (batch[0].message_id, batch[2].message_id);
    log.append(room, &batch).await.unwrap();
    let count = async |user, read, hidden: &[UserId]| {
        let reader = Reader { user, hidden };
        let digest = log.digests(reader, &[(room, read)]).await.unwrap().remove(&room).unwrap();
        (digest.unread, digest.mentions)
    };
    assert_eq!(count(ben, 0, &[]).await, (3, 3));
    assert_eq!(count(ben, 1, &[]).await, (2, 2));
    assert_eq!(count(ben, 0, &[cat]).await, (2, 2));
    assert_eq!(count(cat, 0, &[]).await, (3, 1));
    assert_eq!(count(ann, 0, &[]).await, (2, 0), "one's own mention of the room does not count");
    // An edit takes a mention away, and gives another.
    log.append(room, &[edits(ann, one, "never mind")]).await.unwrap();
    assert_eq!(count(ben, 0, &[]).await, (3, 2));
    let mentions = Mentions { users: vec![ann], room: false };
    log.append(room, &[does(cat, Payload::Edit { target: three, body: "@ann".into(), mentions })])
        .await
        .unwrap();
    assert_eq!((count(ben, 0, &[]).await, count(ann, 0, &[]).await), ((3, 1), (2, 1)));
    let digest = log.digests(Reader { user: ann, hidden: &[ben] }, &[(room, 0)]).await.unwrap();
    assert_eq!(digest[&room].last_message.as_ref().map(|message| message.seq), Some(3));
}

async fn words_are_found(log: &dyn EventLog) {
    let (room, other) = (room(log).await, self::room(log).await);
    let ann = UserId::new();
    let bodies = [
        "The invoice is due on Friday",
        "invoice/2026-04.pdf, see example.com",
        "nothing here",
        "FRIDAY: Café, and the Invoice!",
        "invoices are another word",
    ];
    let mut batch: Vec<NewEvent> = bodies.iter().map(|body| says(ann, body)).collect();
    let ids: Vec<MessageId> = batch.iter().map(|event| event.message_id).collect();
    batch.push(does(ann, Payload::System { body: "invoice paid".into(), data: serde_json::Value::Null }));
    log.append(room, &batch).await.unwrap();
    log.append(other, &[says(ann, "an invoice elsewhere")]).await.unwrap();
    let find = async |words: &[&str], before, limit| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let (found, more) = log.search(room, &words, before, limit).await.unwrap();
        (places(&found), more)
    };
    assert_eq!(find(&["invoice"], None, 10).await, (vec![4, 2, 1], false));
    assert_eq!(find(&["Invoice"], None, 2).await, (vec![4, 2], true));
    assert_eq!(find(&["invoice"], Some(2), 2).await, (vec![1], false));
    assert_eq!(find(&["friday", "invoice"], None, 10).await, (vec![4, 1], false));
    assert_eq!(find(&["café"], None, 10).await, (vec![4], false));
    assert_eq!(find(&["pdf"], None, 10).await, (vec![2], false));
    assert_eq!(find(&["example"], None, 10).await, (vec![2], false));
    assert_eq!(find(&["absent"], None, 10).await, (vec![], false));
    // The text as it is now counts.
    log.append(room, &[edits(ann, ids[2], "an invoice here"), edits(ann, ids[0], "moved to Monday")])
        .await
        .unwrap();
    log.append(room, &[deletes(ann, ids[1], None), reacts(ann, ids[3], "👍", true)]).await.unwrap();
    assert_eq!(find(&["invoice"], None, 10).await, (vec![4, 3], false));
    assert_eq!(find(&["monday"], None, 10).await, (vec![1], false));
}

async fn every_sort_of_event_reads_back(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, id) = (UserId::new(), MessageId::new());
    let data = serde_json::json!({ "milestone": { "id": id, "amount": 12.5, "tags": ["a", null, true] } });
    let payloads = vec![
        Payload::System { body: "Funded".into(), data: data.clone() },
        Payload::Edit { target: id, body: "x".into(), mentions: Mentions { users: vec![ann], room: true } },
        Payload::Delete { target: id, thread: None },
        Payload::Delete { target: id, thread: Some(MessageId::new()) },
        Payload::Reaction { target: id, emoji: "👩‍🎓".into(), added: true },
        Payload::Reaction { target: id, emoji: "👩‍🎓".into(), added: false },
        Payload::Pin { target: id, pinned: true },
        Payload::Receipt { delivered: 7, seen: 5 },
        Payload::Room(data.clone()),
        Payload::Other { kind: "of.tomorrow".into(), data },
    ];
    let batch: Vec<NewEvent> = payloads.into_iter().map(|payload| does(ann, payload)).collect();
    log.append(room, &batch).await.unwrap();
    let expected: Vec<Event> = batch.into_iter().zip(1..).map(|(event, seq)| event.at(seq)).collect();
    assert_eq!(log.since(room, 0, 100).await.unwrap().events, expected);
    let found = history(log, room).await;
    assert!(found.len() == 1 && found[0].system && found[0].client_msg_id.is_none());
}

async fn tops_are_walked(log: &dyn EventLog) {
    let mut expected = Vec::new();
    for n in 0..5 {
        let room = room(log).await;
        if n > 0 {
            log.append(room, &vec![joined(UserId::new()); 1]).await.unwrap();
        }
        expected.push((room, log.open(room).await.unwrap()));
    }
    expected.sort_by_key(|(room, _)| *room);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = log.tops(after, 2).await.unwrap();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        found.extend(page);
    }
    assert!(found.is_sorted_by_key(|(room, _)| *room), "in the order of ids");
    found.retain(|(room, _)| expected.iter().any(|(known, _)| known == room));
    assert_eq!(found, expected);
}

async fn folding_again_makes_the_same(log: &dyn EventLog) {
    let room = room(log).await;
    let (ann, ben) = (UserId::new(), UserId::new());
    let root = says(ann, "root");
    let id = root.message_id;
    let reply = replies(ben, id);
    let gone = reply.message_id;
    let mut loud = says(ann, "all");
    let mentions = Mentions { users: Vec::new(), room: true };
    loud.payload = Payload::Message(Said { mentions, ..Said::text("all") });
    let batch = [root, reply, replies(ann, id), loud, edits(ann, id, "Root"), reacts(ben, id, "👍", true)];
    log.append(room, &batch).await.unwrap();
    log.append(room, &[pins(ann, id, true), deletes(ben, gone, Some(id))]).await.unwrap();
    let (before, pins) = (history(log, room).await, log.pinned(room, 10).await.unwrap());
    let counts = log.digests(Reader::plain(ben), &[(room, 0)]).await.unwrap();
    assert_eq!(log.refold(room).await.unwrap(), 8);
    assert_eq!(history(log, room).await, before);
    assert_eq!(log.pinned(room, 10).await.unwrap(), pins);
    assert_eq!(log.digests(Reader::plain(ben), &[(room, 0)]).await.unwrap(), counts);
    assert_eq!(counts[&room].mentions, 1);
    // Of a log that was cut, what is left.
    log.cut(room, 3).await.unwrap();
    assert_eq!(places(&history(log, room).await), [3, 4]);
    assert!(log.pinned(room, 10).await.unwrap().is_empty());
}
