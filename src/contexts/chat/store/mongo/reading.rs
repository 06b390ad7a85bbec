//! Reading: events from the tail or the truth, messages from their projection.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::Ordering::Relaxed,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use mongodb::{
    Collection,
    bson::{Bson, Document, doc, serialize_to_bson},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Collections, MongoLog,
    documents::{BatchDoc, MessageDoc, MessageKey, RoomDoc, id, of, place, seq, uuid, words},
    folding::{emptied, is_text, text_of},
    top,
};
use crate::{
    contexts::chat::{
        model::{Event, Message, MessageId, Payload, RoomId, Seq},
        store::{Digest, Messages, Page, Reader, Slice, StoreError, Top},
    },
    principal::UserId,
};

/// Rooms that are asked about side by side.
const SIDE_BY_SIDE: usize = 8;
/// Batches that one slice reads at most; each has an event or more.
const MOST_BATCHES: usize = 10_000;

/// Which messages were deleted.
#[derive(Serialize, Deserialize)]
struct KeyDoc {
    #[serde(rename = "_id")]
    key: MessageKey,
}

fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl MongoLog {
    pub(super) async fn slice(&self, room: RoomId, after: Seq, limit: usize) -> Result<Slice, StoreError> {
        let at = self.collections().await?;
        // A deletion that is not projected yet has not emptied its message's event.
        let (stream, last) = self.settled(at, room).await?;
        let mut ends = top(stream, last);
        if after >= last || limit == 0 {
            return Ok(Slice { events: Vec::new(), top: ends });
        }
        let from = ends.first_seq.max(after + 1);
        let mut events = self.stretch(&at.tail, room, from, last, limit).await?;
        let whole = events.first().is_some_and(|event| event.seq == from)
            && events.windows(2).all(|pair| pair[0].seq + 1 == pair[1].seq)
            && (events.len() == limit || super::folding::reach(&events) == last);
        if whole {
            self.inner.counts.tail_hits.fetch_add(1, Relaxed);
            events = self.without_deleted(at, room, events).await?;
        } else {
            self.inner.counts.tail_misses.fetch_add(1, Relaxed);
            events = self.stretch(&at.events, room, from, last, limit).await?;
        }
        // A cut in between took the first ones: then the log begins where the slice does.
        if let Some(first) = events.first()
            && first.seq > from
        {
            ends.first_seq = ends.first_seq.max(first.seq);
        }
        Ok(Slice { events, top: ends })
    }

    /// The events from one place to another, as far as a collection has them.
    async fn stretch(
        &self,
        from_where: &Collection<BatchDoc>,
        room: RoomId,
        from: Seq,
        to: Seq,
        limit: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let filter = doc! { "room": of(room.0), "last": { "$gte": place(from) } };
        let found = self
            .run(async {
                let most = rows(limit.min(MOST_BATCHES));
                let mut batches = from_where.find(filter).sort(doc! { "last": 1 }).limit(most).await?;
                let mut found = Vec::new();
                while found.len() < limit {
                    let Some(batch) = batches.try_next().await? else { break };
                    found.extend(
                        batch.events.into_iter().filter(|event| (from..=to).contains(&seq(event.seq))),
                    );
                }
                found.truncate(limit);
                Ok(found)
            })
            .await?;
        found.into_iter().map(|event| event.read()).collect()
    }

    /// A copy in the tail may have been made before its message was deleted.
    async fn without_deleted(
        &self,
        at: &Collections,
        room: RoomId,
        events: Vec<Event>,
    ) -> Result<Vec<Event>, StoreError> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(events) };
        let mut which = vec![doc! { "seq": { "$gte": place(first.seq), "$lte": place(last.seq) } }];
        // What an edit changed may have been said long before.
        let edited: Vec<Bson> = events
            .iter()
            .filter(|event| event.payload.kind() == Payload::EDIT)
            .map(|event| serialize_to_bson(&MessageKey { room: id(room.0), id: id(text_of(event).0) }))
            .collect::<Result<_, _>>()
            .map_err(|e| StoreError::Failed(e.into()))?;
        if !edited.is_empty() {
            which.push(doc! { "_id": { "$in": edited } });
        }
        let mut deleted = HashSet::new();
        for mut filter in which {
            filter.insert("room", of(room.0));
            filter.insert("live", false);
            let found: Vec<KeyDoc> = self
                .run(async {
                    let keys = at.messages.clone_with_type::<KeyDoc>();
                    keys.find(filter).projection(doc! { "_id": 1 }).await?.try_collect().await
                })
                .await?;
            deleted.extend(found.into_iter().map(|message| MessageId(uuid(message.key.id))));
        }
        if deleted.is_empty() {
            return Ok(events);
        }
        events
            .into_iter()
            .map(|event| match is_text(&event) && deleted.contains(&text_of(&event)) {
                true => emptied(event),
                false => Ok(event),
            })
            .collect()
    }

    async fn find(
        &self,
        at: &Collections,
        filter: Document,
        order: Document,
        limit: usize,
    ) -> Result<Messages, StoreError> {
        let found: Vec<MessageDoc> = self
            .run(async {
                // One more than asked for tells whether there is more.
                let most = rows(limit.saturating_add(1));
                at.messages.find(filter).sort(order).limit(most).await?.try_collect().await
            })
            .await?;
        let more = found.len() > limit;
        let messages = found.into_iter().take(limit).map(MessageDoc::read).collect::<Result<_, _>>()?;
        Ok((messages, more))
    }

    /// Messages of a room whose log may have been cut, or not be there at all: then it has none.
    async fn readable(&self, room: RoomId) -> Result<Option<(&Collections, i64)>, StoreError> {
        let at = self.collections().await?;
        match self.settled(at, room).await {
            Ok((stream, _)) => Ok(Some((at, stream.first_seq))),
            Err(StoreError::NoStream) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn page(&self, room: RoomId, page: Page, limit: usize) -> Result<Messages, StoreError> {
        let Some((at, first)) = self.readable(room).await? else { return Ok((Vec::new(), false)) };
        let (places, order) = match page {
            Page::Newest => (doc! { "$gte": first }, -1),
            Page::Before(end) => (doc! { "$gte": first, "$lt": place(end) }, -1),
            Page::After(start) => (doc! { "$gte": first.max(place(start).saturating_add(1)) }, 1),
        };
        self.find(at, doc! { "room": of(room.0), "seq": places }, doc! { "seq": order }, limit).await
    }

    pub(super) async fn one(&self, room: RoomId, message: MessageId) -> Result<Option<Message>, StoreError> {
        let Some((at, first)) = self.readable(room).await? else { return Ok(None) };
        let key = serialize_to_bson(&MessageKey { room: id(room.0), id: id(message.0) })
            .map_err(|e| StoreError::Failed(e.into()))?;
        let filter = doc! { "_id": key, "seq": { "$gte": first } };
        self.run(async { at.messages.find_one(filter).await }).await?.map(MessageDoc::read).transpose()
    }

    pub(super) async fn replies(
        &self,
        room: RoomId,
        root: MessageId,
        after: Seq,
        limit: usize,
    ) -> Result<Messages, StoreError> {
        let Some((at, first)) = self.readable(room).await? else { return Ok((Vec::new(), false)) };
        let from = first.max(place(after).saturating_add(1));
        let filter = doc! { "room": of(room.0), "thread": of(root.0), "seq": { "$gte": from } };
        self.find(at, filter, doc! { "seq": 1 }, limit).await
    }

    pub(super) async fn pins(&self, room: RoomId, limit: usize) -> Result<Vec<Message>, StoreError> {
        let Some((at, first)) = self.readable(room).await? else { return Ok(Vec::new()) };
        let filter = doc! { "room": of(room.0), "pinned": { "$gt": 0 }, "seq": { "$gte": first } };
        Ok(self.find(at, filter, doc! { "pinned": -1 }, limit).await?.0)
    }

    pub(super) async fn find_words(
        &self,
        room: RoomId,
        asked: &[String],
        before: Option<Seq>,
        limit: usize,
    ) -> Result<Messages, StoreError> {
        let asked: Vec<String> = asked.iter().flat_map(|word| words(word)).collect();
        if asked.is_empty() {
            return Ok((Vec::new(), false));
        }
        let Some((at, first)) = self.readable(room).await? else { return Ok((Vec::new(), false)) };
        let before = before.map_or(i64::MAX, place);
        let filter = doc! {
            "room": of(room.0), "words": { "$all": asked }, "seq": { "$gte": first, "$lt": before },
        };
        self.find(at, filter, doc! { "seq": -1 }, limit).await
    }

    pub(super) async fn digest_all(
        &self,
        reader: Reader<'_>,
        rooms: &[(RoomId, Seq)],
    ) -> Result<HashMap<RoomId, Digest>, StoreError> {
        let at = self.collections().await?;
        stream::iter(rooms.to_vec())
            .map(|(room, read)| async move {
                match self.digest(at, reader, room, read).await {
                    Ok(digest) => Ok(Some((room, digest))),
                    Err(StoreError::NoStream) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .buffer_unordered(SIDE_BY_SIDE)
            .try_filter_map(|digest| async move { Ok(digest) })
            .try_collect()
            .await
    }

    async fn digest(
        &self,
        at: &Collections,
        reader: Reader<'_>,
        room: RoomId,
        read: Seq,
    ) -> Result<Digest, StoreError> {
        let (stream, last_seq) = self.settled(at, room).await?;
        let hidden: Vec<Bson> = reader.hidden.iter().map(|user| of(user.0)).collect();
        let others: Vec<Bson> = hidden.iter().cloned().chain([of(reader.user.0)]).collect();
        let first = stream.first_seq;
        let newest = doc! { "room": of(room.0), "seq": { "$gte": first }, "sender": { "$nin": hidden } };
        let from = first.max(place(read).saturating_add(1));
        let unread = doc! {
            "room": of(room.0), "seq": { "$gte": from }, "sender": { "$nin": others }, "live": true,
        };
        let mut mentions = unread.clone();
        mentions.insert("mentions", doc! { "$in": [of(reader.user.0), of(Uuid::nil())] });
        let (newest, unread, mentions) = tokio::join!(
            self.run(async { at.messages.find_one(newest).sort(doc! { "seq": -1 }).await }),
            self.count(at, unread, last_seq >= seq(from)),
            self.count(at, mentions, last_seq >= seq(from)),
        );
        let last_message = newest?.map(MessageDoc::read).transpose()?;
        Ok(Digest { last_seq, last_message, unread: unread?, mentions: mentions? })
    }

    async fn count(&self, at: &Collections, filter: Document, any: bool) -> Result<u64, StoreError> {
        if !any {
            return Ok(0);
        }
        let counted =
            self.run(async { at.messages.count_documents(filter).limit(Digest::MOST_UNREAD).await }).await?;
        Ok(counted)
    }

    /// What somebody wrote, room by room. A walk begins with every room's projection up to date.
    pub(super) async fn all_of(
        &self,
        sender: UserId,
        after: Option<(RoomId, Seq)>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Message)>, StoreError> {
        let at = self.collections().await?;
        let mut filter = doc! { "sender": of(sender.0) };
        match after {
            None => self.settle_all(at).await?,
            Some((room, place_of)) => {
                let later = doc! { "room": { "$gt": of(room.0) } };
                let rest = doc! { "room": of(room.0), "seq": { "$gt": place(place_of) } };
                filter.insert("$or", vec![Bson::Document(rest), Bson::Document(later)]);
            }
        }
        let found: Vec<MessageDoc> = self
            .run(async {
                let sorted = at.messages.find(filter).sort(doc! { "room": 1, "seq": 1 });
                sorted.limit(rows(limit)).await?.try_collect().await
            })
            .await?;
        found.into_iter().map(|found| Ok((RoomId(uuid(found.room)), found.read()?))).collect()
    }

    async fn settle_all(&self, at: &Collections) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let page = self.all_tops(after, 500).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            stream::iter(page)
                .map(|(room, _)| async move { self.settled(at, room).await.map(drop) })
                .buffer_unordered(SIDE_BY_SIDE)
                .try_collect::<Vec<()>>()
                .await?;
        }
    }

    pub(super) async fn all_tops(
        &self,
        after: Option<RoomId>,
        limit: usize,
    ) -> Result<Vec<(RoomId, Top)>, StoreError> {
        let at = self.collections().await?;
        let filter = after.map_or_else(Document::new, |after| doc! { "_id": { "$gt": of(after.0) } });
        let found: Vec<RoomDoc> = self
            .run(async {
                let rooms = at.rooms.find(filter).sort(doc! { "_id": 1 }).limit(rows(limit));
                rooms.await?.try_collect().await
            })
            .await?;
        stream::iter(found)
            .map(|stream| async move {
                let room = RoomId(uuid(stream.room));
                let last = self.last(at, room).await?;
                Ok((room, top(stream, last)))
            })
            .buffered(SIDE_BY_SIDE)
            .try_collect()
            .await
    }
}
