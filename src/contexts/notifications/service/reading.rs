//! One's own notifications.

use diesel_async::AsyncConnection;

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError,
        model::Which,
        store,
        views::{self, NotificationsView, ReadForm, UnreadView},
    },
    principal::UserId,
};

/// So many may be named at once.
const MAX_NAMED: usize = 100;

impl Which {
    /// What a form asks for.
    ///
    /// # Errors
    /// [`NotificationsError::Invalid`] unless it is exactly one thing.
    pub fn of(form: ReadForm) -> Result<Self, NotificationsError> {
        match form {
            ReadForm { ids: Some(ids), up_to: None, all: None } => {
                if ids.len() > MAX_NAMED {
                    return Err(NotificationsError::field("/ids", format!("names {MAX_NAMED} at most")));
                }
                Ok(Self::Ids(ids))
            }
            ReadForm { ids: None, up_to: Some(offset), all: None } => {
                if offset < 0 {
                    return Err(NotificationsError::field("/up_to", "must not be negative"));
                }
                Ok(Self::UpTo(offset))
            }
            ReadForm { ids: None, up_to: None, all: Some(true) } => Ok(Self::All),
            ReadForm { ids: None, up_to: None, all: Some(false) } => {
                Err(NotificationsError::field("/all", "must be true, or be left out"))
            }
            _ => Err(NotificationsError::field("", "takes one of ids, up_to and all")),
        }
    }
}

impl Notifications {
    /// A page, the newest first.
    ///
    /// # Errors
    /// [`NotificationsError::Invalid`] on a cursor of another list.
    pub async fn list(
        &self,
        user: UserId,
        unread: bool,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<NotificationsView, NotificationsError> {
        let list = format!("notifications.{}.{user}", if unread { "unread" } else { "all" });
        let before = cursor.map_or(Ok(i64::MAX), |cursor| self.place(&list, cursor))?;
        let mut conn = self.conn().await?;
        let asked = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let mut items = store::items::list(&mut conn, user, unread, before, asked).await?;
        let (unread, offset) = store::items::unread(&mut conn, user).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|item| self.parts().signer.sign(&list, &item.offset.to_be_bytes(), None));
        let items = items.into_iter().map(Into::into).collect();
        Ok(NotificationsView { items, next_cursor, unread, offset })
    }

    fn place(&self, list: &str, cursor: &str) -> Result<i64, NotificationsError> {
        let payload = self.parts().signer.verify(list, cursor, self.now()).ok();
        payload
            .and_then(|bytes| bytes.try_into().ok().map(i64::from_be_bytes))
            .ok_or_else(|| NotificationsError::field("?cursor", "is not a cursor of this list"))
    }

    /// How many are unread.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub async fn unread(&self, user: UserId) -> Result<UnreadView, NotificationsError> {
        let (unread, _) = store::items::unread(&mut *self.conn().await?, user).await?;
        Ok(UnreadView { unread })
    }

    /// Marks as read, on all of the person's devices.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub async fn read(&self, user: UserId, which: &Which) -> Result<UnreadView, NotificationsError> {
        let now = self.now();
        let mut conn = self.conn().await?;
        let (unread, offset) = (*conn)
            .transaction(async |conn| {
                let Some(mut stream) = store::lock(conn, user).await? else {
                    return Err(NotificationsError::Forgotten);
                };
                let changed = store::items::mark_read(conn, user, which, now).await?;
                if changed == 0 {
                    return Ok((stream.unread, None));
                }
                let unread = stream.unread - i32::try_from(changed).unwrap_or(i32::MAX);
                let data = views::read(which, unread).to_string();
                store::log::append(conn, user, &mut stream, &data, unread, now).await?;
                Ok((unread, Some(stream.last_offset)))
            })
            .await?;
        if let Some(offset) = offset {
            self.parts().feed.committed(user, offset);
        }
        Ok(UnreadView { unread })
    }
}
