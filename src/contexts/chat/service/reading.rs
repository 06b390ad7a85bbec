//! Reading beside history: one message, a thread, what is pinned, what is found.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::Value;

use super::history::fit;
use crate::{
    contexts::chat::{
        Chat, ChatError,
        model::{Mentions, Message, MessageId, RoomId, Seq, words},
        store::{Page, Reader},
        views::{MessageView, ReceiptView, ThreadView},
    },
    principal::UserId,
};

/// Messages that one answer may hold.
const MAX: usize = 100;
const DEFAULT: usize = 50;
/// Pinned messages that are listed; a room has no more.
const PINS: usize = 100;
/// Words that one search may ask for.
const MOST_WORDS: usize = 16;
/// The longest text of a search, in characters.
const LONGEST: usize = 200;
/// How long it is believed whom somebody has blocked: another node may know better.
const HIDDEN_FOR: Duration = Duration::from_secs(5);

/// A thread, over rpc.
#[derive(Debug, Deserialize)]
pub struct ThreadForm {
    /// The room.
    pub room: RoomId,
    /// The thread's first message, or any reply in it.
    pub message_id: MessageId,
    /// 1 to 100; 50 by default.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Replies after this place.
    #[serde(default)]
    pub after: Option<Seq>,
}

/// A search, over rpc.
#[derive(Debug, Deserialize)]
pub struct SearchForm {
    /// The room.
    pub room: RoomId,
    /// Words, all of which have to be there.
    pub q: String,
    /// 1 to 100; 50 by default.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Messages before this place.
    #[serde(default)]
    pub before: Option<Seq>,
}

pub(super) fn limit_of(limit: Option<usize>) -> Result<usize, ChatError> {
    let limit = limit.unwrap_or(DEFAULT);
    if (1..=MAX).contains(&limit) {
        Ok(limit)
    } else {
        Err(ChatError::field("/limit", format!("must be from 1 to {MAX}")))
    }
}

impl Chat {
    /// Whose messages are hidden from somebody.
    pub(super) async fn hidden_from(&self, who: UserId) -> Result<Arc<Vec<UserId>>, ChatError> {
        if let Some(known) = self.inner.hidden.get(&who)
            && known.0.elapsed() < HIDDEN_FOR
        {
            return Ok(known.1.clone());
        }
        let found = Arc::new(self.inner.desk.blocked_by(who).await?);
        if self.inner.hidden.len() >= 10_000 {
            self.inner.hidden.retain(|_, (at, _)| at.elapsed() < HIDDEN_FOR);
        }
        self.inner.hidden.insert(who, (Instant::now(), found.clone()));
        Ok(found)
    }

    /// What somebody sees of messages: not those of people whom they have blocked.
    pub(super) async fn seen_by(
        &self,
        who: UserId,
        messages: Vec<Message>,
    ) -> Result<Vec<MessageView>, ChatError> {
        let hidden = self.hidden_from(who).await?;
        let visible = messages.into_iter().filter(|message| !hidden.contains(&message.sender_id));
        Ok(visible.map(|message| MessageView::of(message, who)).collect())
    }

    /// What is unread for somebody.
    pub(super) async fn digests_for(
        &self,
        who: UserId,
        rooms: &[(RoomId, Seq)],
    ) -> Result<std::collections::HashMap<RoomId, crate::contexts::chat::store::Digest>, ChatError> {
        let hidden = self.hidden_from(who).await?;
        Ok(self.inner.log.digests(Reader { user: who, hidden: &hidden }, rooms).await?)
    }

    /// A message of a room that somebody may read.
    pub(in crate::contexts::chat) async fn message_for(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
    ) -> Result<Option<Message>, ChatError> {
        self.enter(who, room).await?;
        Ok(self.inner.log.message(room, message).await?)
    }

    /// One message.
    ///
    /// # Errors
    /// [`ChatError::NoMessage`], [`ChatError::NotMember`].
    pub async fn message(
        &self,
        who: UserId,
        room: RoomId,
        message: MessageId,
    ) -> Result<MessageView, ChatError> {
        let found = self.message_for(who, room, message).await?.ok_or(ChatError::NoMessage)?;
        self.seen_by(who, vec![found]).await?.pop().ok_or(ChatError::NoMessage)
    }

    /// A thread: its first message, and a page of its replies, oldest first.
    ///
    /// # Errors
    /// [`ChatError::NoMessage`], [`ChatError::NotMember`], [`ChatError::Invalid`].
    pub async fn thread(&self, who: UserId, form: &ThreadForm) -> Result<ThreadView, ChatError> {
        let limit = limit_of(form.limit)?;
        let found = self.message_for(who, form.room, form.message_id).await?.ok_or(ChatError::NoMessage)?;
        let mut root = match found.thread {
            None => found,
            Some(root) => self.inner.log.message(form.room, root).await?.ok_or(ChatError::NoMessage)?,
        };
        let after = form.after.unwrap_or(0);
        let (replies, more) = fit(self.inner.log.thread(form.room, root.id, after, limit).await?);
        let next = replies.last().map(|last| last.seq).filter(|_| more);
        if self.hidden_from(who).await?.contains(&root.sender_id) {
            // Others' replies stay; the words that they answer do not.
            root.body.clear();
            root.attachments.clear();
            root.mentions = Mentions::default();
            root.data = Value::Null;
        }
        let root = MessageView::of(root, who);
        Ok(ThreadView { root, items: self.seen_by(who, replies).await?, next_after: next })
    }

    /// The room's pinned messages, the last pinned first.
    ///
    /// # Errors
    /// [`ChatError::NotMember`].
    pub async fn pins(&self, who: UserId, room: RoomId) -> Result<Vec<MessageView>, ChatError> {
        self.enter(who, room).await?;
        let found = self.inner.log.pinned(room, PINS).await?;
        self.seen_by(who, found).await
    }

    /// Messages that hold all words of a text, newest first, and where to go on.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Invalid`].
    pub async fn search(
        &self,
        who: UserId,
        form: &SearchForm,
    ) -> Result<(Vec<MessageView>, Option<Seq>), ChatError> {
        let limit = limit_of(form.limit)?;
        if form.q.chars().count() > LONGEST {
            return Err(ChatError::field("/q", format!("must be at most {LONGEST} characters long")));
        }
        let mut words = words(&form.q);
        words.truncate(MOST_WORDS);
        if words.is_empty() {
            return Err(ChatError::field("/q", "must hold a word: letters or digits"));
        }
        self.enter(who, form.room).await?;
        let (found, more) = fit(self.inner.log.search(form.room, &words, form.before, limit).await?);
        let next = found.last().map(|last| last.seq).filter(|_| more);
        Ok((self.seen_by(who, found).await?, next))
    }

    /// [`Chat::search`] by cursor.
    ///
    /// # Errors
    /// The same.
    pub async fn search_page(
        &self,
        who: UserId,
        mut form: SearchForm,
        cursor: Option<&str>,
    ) -> Result<(Vec<MessageView>, Option<String>), ChatError> {
        if let Some(cursor) = cursor {
            let Page::Before(seq) = self.page_from(form.room, cursor)? else {
                return Err(ChatError::field("?cursor", "is not a cursor of this list"));
            };
            form.before = Some(seq);
        }
        let (items, next) = self.search(who, &form).await?;
        Ok((items, next.and_then(|seq| self.page_cursor(form.room, Page::Before(seq)))))
    }

    /// How far the members of a small room have come; empty in a larger one. Those who do not show it
    /// are left out, and see nobody's.
    ///
    /// # Errors
    /// [`ChatError::NotMember`].
    pub async fn receipts(&self, who: UserId, room: RoomId) -> Result<Vec<ReceiptView>, ChatError> {
        let access = self.enter(who, room).await?;
        let small = access.member_count <= self.inner.receipt_members;
        if !small || !self.inner.desk.shows_receipts(who).await? {
            return Ok(Vec::new());
        }
        let found = self.inner.rooms.members(room, None, self.inner.receipt_members).await?;
        let mut views = Vec::with_capacity(found.len());
        for member in found {
            if self.inner.desk.shows_receipts(member.user_id).await? {
                views.push(ReceiptView {
                    user_id: member.user_id,
                    delivered: member.delivered_seq,
                    seen: member.read_seq,
                });
            }
        }
        Ok(views)
    }
}
