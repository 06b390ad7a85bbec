//! Telling people of an event, in the transaction of its inbox row.

use chrono::Duration;
use diesel_async::AsyncPgConnection;

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError, due,
        kinds::{Draft, Kind, kind},
        model::{Item, NotificationId, Preferences},
        store::{self, items::Row},
        views::{NotificationView, told},
    },
    events::Envelope,
    postgres::DbError,
    principal::UserId,
};

/// Between two mails about one notification that goes on growing.
const APART: Duration = Duration::hours(1);

/// What came of an event for one person.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    user: UserId,
    kind: &'static str,
    /// Where in their log it is, if it is shown to them here.
    offset: Option<i64>,
}

impl Notifications {
    /// Tells everybody concerned. Of whom an event was told before, is not told again.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub(in crate::contexts::notifications) async fn tell(
        &self,
        conn: &mut AsyncPgConnection,
        event: &Envelope,
    ) -> Result<Vec<Told>, NotificationsError> {
        let Some(kind) = kind(&event.subject) else { return Ok(Vec::new()) };
        let drafts = kind.drafts(event.id, &event.data);
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = Vec::new();
        for draft in drafts {
            all.extend(self.tell_one(conn, kind, event, draft).await?);
        }
        Ok(all)
    }

    /// Takes turns with whoever else tells the people concerned.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub(in crate::contexts::notifications) async fn take_turns(
        &self,
        conn: &mut AsyncPgConnection,
        events: &[&Envelope],
    ) -> Result<(), NotificationsError> {
        let told =
            events.iter().filter_map(|event| Some(kind(&event.subject)?.drafts(event.id, &event.data)));
        let people: Vec<UserId> = told.flatten().map(|draft| draft.user).collect();
        Ok(store::in_turn(conn, &people).await?)
    }

    /// What is to be done once that is committed.
    pub(in crate::contexts::notifications) fn told(&self, all: &[Told]) {
        for Told { user, kind, offset } in all {
            self.parts().metrics.told.with_label_values(&[kind]).inc();
            if let Some(offset) = offset {
                self.parts().feed.committed(*user, *offset);
            }
        }
        if !all.is_empty() {
            self.inner.due.notify_one();
            self.inner.pushing.notify_one();
        }
    }

    async fn tell_one(
        &self,
        conn: &mut AsyncPgConnection,
        kind: &'static Kind,
        event: &Envelope,
        draft: Draft,
    ) -> Result<Option<Told>, NotificationsError> {
        let user = draft.user;
        let preferences = store::preferences::load(conn, user).await?.preferences;
        let channels = preferences.channels(kind);
        if !channels.in_app && !channels.email {
            return Ok(None);
        }
        let Some(mut stream) = store::lock(conn, user).await? else { return Ok(None) };
        if store::knows(conn, user, event.id).await? {
            return Ok(None);
        }
        let open = store::items::open(conn, user, kind.key, &draft.group, channels.in_app).await?;
        let fresh = open.is_none();
        let group = draft.group.clone();
        let mut row = match open {
            Some(row) => grown(row, kind, event, draft),
            None => begun(kind, event, draft, channels.in_app),
        };
        if channels.in_app {
            row.offset = stream.last_offset + 1;
        }
        store::items::put(conn, user, &group, &row).await?;
        store::items::source(conn, user, event.id, row.id).await?;
        if channels.in_app {
            let unread = stream.unread + i32::from(fresh);
            let view = NotificationView::from(Item::from(row.clone()));
            let data = told(&view, unread).to_string();
            store::log::append(conn, user, &mut stream, &data, unread, self.now()).await?;
        }
        if channels.push {
            let due = due::after_quiet(&preferences, self.now());
            store::pushes::add(conn, user, row.id, due).await?;
        }
        if channels.email {
            self.plan_mail(conn, user, kind, &row, &preferences).await?;
        }
        Ok(Some(Told { user, kind: kind.key, offset: channels.in_app.then_some(stream.last_offset) }))
    }

    async fn plan_mail(
        &self,
        conn: &mut AsyncPgConnection,
        user: UserId,
        kind: &Kind,
        row: &Row,
        preferences: &Preferences,
    ) -> Result<(), DbError> {
        let now = self.now();
        let since = row.mailed_at.map_or(Duration::zero(), |mailed| mailed + APART - now);
        let wait = Duration::seconds(kind.patience).max(since);
        store::mailings::add(conn, user, row.id, due::due(preferences, now, wait)).await
    }
}

fn begun(kind: &Kind, event: &Envelope, draft: Draft, in_app: bool) -> Row {
    let (title, body, link) = kind.words(&draft.params, 1);
    Row {
        id: NotificationId::new(),
        kind: kind.key.to_owned(),
        in_app,
        title,
        body,
        link,
        data: draft.data,
        params: draft.params,
        actor_id: draft.actor,
        events: 1,
        latest_event: event.id,
        offset: 0,
        created_at: event.time,
        updated_at: event.time,
        read_at: None,
        mailed_at: None,
    }
}

/// One event more; whatever order they come in, the latest has the word.
fn grown(row: Row, kind: &Kind, event: &Envelope, draft: Draft) -> Row {
    let later = event.id > row.latest_event;
    let (data, params, actor_id, latest_event) = if later {
        (draft.data, draft.params, draft.actor, event.id)
    } else {
        (row.data, row.params, row.actor_id, row.latest_event)
    };
    let events = row.events.saturating_add(1);
    let (title, body, link) = kind.words(&params, events);
    Row {
        title,
        body,
        link,
        data,
        params,
        actor_id,
        events,
        latest_event,
        created_at: row.created_at.min(event.time),
        updated_at: row.updated_at.max(event.time),
        id: row.id,
        kind: row.kind,
        in_app: row.in_app,
        offset: row.offset,
        read_at: row.read_at,
        mailed_at: row.mailed_at,
    }
}
