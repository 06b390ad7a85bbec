//! Cursors: signed, and bound to the list they come from.

use crate::{
    contexts::chat::{
        Chat, ChatError,
        model::{RoomId, Seq},
        store::Page,
    },
    principal::UserId,
};

impl Chat {
    fn verified(&self, purpose: &str, cursor: &str) -> Result<Vec<u8>, ChatError> {
        self.inner
            .signer
            .verify(purpose, cursor, chrono::Utc::now())
            .map_err(|_| ChatError::field("?cursor", "is not a cursor of this list"))
    }

    /// A cursor of a list in the order of ids.
    pub(super) fn id_cursor(&self, list: &str, last: uuid::Uuid) -> String {
        self.inner.signer.sign(&format!("chat.{list}"), last.as_bytes(), None)
    }

    /// Where such a cursor stands.
    pub(super) fn id_from(&self, list: &str, cursor: Option<&str>) -> Result<Option<uuid::Uuid>, ChatError> {
        let Some(cursor) = cursor else { return Ok(None) };
        let bytes = self.verified(&format!("chat.{list}"), cursor)?;
        let id = uuid::Uuid::from_slice(&bytes);
        id.map(Some).map_err(|_| ChatError::field("?cursor", "is not a cursor of this list"))
    }

    /// A cursor into a room's messages.
    pub(super) fn page_cursor(&self, room: RoomId, page: Page) -> Option<String> {
        let (direction, seq) = match page {
            Page::Newest => return None,
            Page::Before(seq) => (b'b', seq),
            Page::After(seq) => (b'a', seq),
        };
        let mut bytes = vec![direction];
        bytes.extend_from_slice(&seq.to_be_bytes());
        Some(self.inner.signer.sign(&format!("chat.messages.{room}"), &bytes, None))
    }

    /// Where such a cursor stands.
    pub(super) fn page_from(&self, room: RoomId, cursor: &str) -> Result<Page, ChatError> {
        let bytes = self.verified(&format!("chat.messages.{room}"), cursor)?;
        let bad = || ChatError::field("?cursor", "is not a cursor of this list");
        let (direction, seq) = bytes.split_first().ok_or_else(bad)?;
        let seq = Seq::from_be_bytes(seq.try_into().map_err(|_| bad())?);
        match direction {
            b'b' => Ok(Page::Before(seq)),
            b'a' => Ok(Page::After(seq)),
            _ => Err(bad()),
        }
    }

    /// The name of somebody's list of rooms: a cursor of one is none of another.
    pub(super) fn rooms_list(scope: &str, who: UserId) -> String {
        format!("rooms.{scope}.{who}")
    }
}
