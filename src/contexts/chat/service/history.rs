//! Reading what was said.

use serde::Deserialize;

use super::reading::limit_of;
use crate::{
    contexts::chat::{
        Chat, ChatError,
        model::{RoomId, Seq},
        store::{Messages, Page},
        views::{HistoryView, MessageView},
    },
    principal::UserId,
};

/// Text that one rpc answer may hold, in bytes. It waits in the connection's outbound queue, where
/// a hundred of the longest messages in a wide script would not fit; the client asks on.
const MAX_BYTES: usize = 256 * 1024;

/// A page of history, over rpc.
#[derive(Debug, Deserialize)]
pub struct HistoryForm {
    /// The room.
    pub room: RoomId,
    /// 1 to 100; 50 by default.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Newest first, before this place.
    #[serde(default)]
    pub before: Option<Seq>,
    /// Oldest first, after this place.
    #[serde(default)]
    pub after: Option<Seq>,
}

impl HistoryForm {
    fn page(&self) -> Result<(Page, usize), ChatError> {
        let limit = limit_of(self.limit)?;
        let page = match (self.before, self.after) {
            (Some(_), Some(_)) => {
                return Err(ChatError::field("/before", "goes without `after`: choose one direction"));
            }
            (Some(seq), None) => Page::Before(seq),
            (None, Some(seq)) => Page::After(seq),
            (None, None) => Page::Newest,
        };
        Ok((page, limit))
    }
}

impl Chat {
    /// A page of a room's messages, by places (over rpc).
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Invalid`].
    pub async fn history(&self, who: UserId, form: &HistoryForm) -> Result<HistoryView, ChatError> {
        let (page, limit) = form.page()?;
        self.enter(who, form.room).await?;
        // The end first: a message that comes in between is past the `top` that is told, never
        // missing below it.
        let top = self.inner.log.open(form.room).await?;
        let (found, more) = self.inner.log.messages(form.room, page, limit).await?;
        let (found, more) = fit((found, more));
        let next = found.last().map(|last| last.seq).filter(|_| more);
        let items = self.seen_by(who, found).await?;
        Ok(HistoryView { items, top: top.last_seq, epoch: top.epoch, more, next })
    }

    /// A page of a room's messages, by cursor (over REST). Newest first, or oldest first after a
    /// place; a cursor goes on in its own direction.
    ///
    /// # Errors
    /// [`ChatError::NotMember`], [`ChatError::Invalid`].
    pub async fn messages(
        &self,
        who: UserId,
        room: RoomId,
        limit: usize,
        cursor: Option<&str>,
        after: Option<Seq>,
    ) -> Result<(Vec<MessageView>, Option<String>), ChatError> {
        let page = match (cursor, after) {
            (Some(_), Some(_)) => {
                return Err(ChatError::field("?after", "goes without `cursor`, which holds the place"));
            }
            (Some(cursor), None) => self.page_from(room, cursor)?,
            (None, Some(seq)) => Page::After(seq),
            (None, None) => Page::Newest,
        };
        self.enter(who, room).await?;
        let (found, more) = self.inner.log.messages(room, page, limit).await?;
        let next = found.last().filter(|_| more).and_then(|last| {
            let page = match page {
                Page::After(_) => Page::After(last.seq),
                Page::Newest | Page::Before(_) => Page::Before(last.seq),
            };
            self.page_cursor(room, page)
        });
        Ok((self.seen_by(who, found).await?, next))
    }
}

/// So many of a page's messages as go into one answer.
pub(super) fn fit((mut found, more): Messages) -> Messages {
    let fit = fitting(found.iter().map(|message| message.body.len()));
    let more = more || fit < found.len();
    found.truncate(fit);
    (found, more)
}

/// How many of these sizes go into one answer: one at least, so that a reader gets on.
fn fitting(sizes: impl Iterator<Item = usize>) -> usize {
    let mut total = 0usize;
    let fit = sizes
        .take_while(|size| {
            total = total.saturating_add(*size);
            total <= MAX_BYTES
        })
        .count();
    fit.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_bounded_and_never_empty_for_its_size() {
        assert_eq!(fitting([10; 100].into_iter()), 100);
        assert_eq!(fitting([16_000; 100].into_iter()), MAX_BYTES / 16_000);
        assert_eq!(fitting([MAX_BYTES + 1, 1].into_iter()), 1);
    }
}
