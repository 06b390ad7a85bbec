//! Web Push: browsers subscribe, and a worker pushes what is due to them.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use diesel_async::AsyncConnection;
use futures_util::{StreamExt, stream};
use serde_json::json;
use url::Url;
use uuid::Uuid;

use crate::{
    contexts::notifications::{
        Notifications, NotificationsError, due,
        kinds::kind,
        store::{
            self,
            items::Row,
            pushes::{Due, NewSubscription, Subscription},
        },
        views::{PushKeyView, SubscribeForm, SubscriptionView},
    },
    error::FieldError,
    ports::push::{AUTH_BYTES, Message, PUBLIC_KEY_BYTES, Push, PushError, Target, Vapid},
    principal::UserId,
    telemetry::log,
};

/// Pushes that are taken up at once.
const BATCH: i64 = 64;
/// And sent side by side.
const ABREAST: usize = 8;
/// To the next look when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(1);
/// Browsers that one person may have.
const MOST: i64 = 20;
/// How long the push service keeps a message, and how long we try to hand it over.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3_600);
/// Between two looks whether somebody still is not to be disturbed.
const CALM: chrono::Duration = chrono::Duration::seconds(60);
/// The longest pause between two attempts, in seconds.
const LONGEST: i64 = 3_600;
/// The longest endpoint, in characters.
const LONGEST_ENDPOINT: usize = 2_048;
/// The longest label, in characters.
const LONGEST_LABEL: usize = 80;

impl Notifications {
    /// The key of this installation, made at first use.
    ///
    /// # Errors
    /// When the database does not answer, or what it holds is no key.
    pub async fn vapid(&self, contact: String) -> Result<Vapid, NotificationsError> {
        let bad = |error| NotificationsError::Push(Box::new(error));
        let fresh = Vapid::generate().map_err(bad)?;
        let key = store::pushes::key(&mut *self.conn().await?, &fresh).await?;
        Vapid::new(&key, contact).map_err(bad)
    }

    /// Says how browsers are reached; a second call changes nothing. Without it nothing is pushed.
    pub fn push_by(&self, push: Arc<dyn Push>) {
        let _ = self.inner.push.set(push);
    }

    fn push(&self) -> Result<&Arc<dyn Push>, NotificationsError> {
        self.inner.push.get().ok_or(NotificationsError::NoPush)
    }

    /// What a browser is to be given when it subscribes.
    ///
    /// # Errors
    /// [`NotificationsError::NoPush`].
    pub fn push_key(&self) -> Result<PushKeyView, NotificationsError> {
        Ok(PushKeyView { public_key: URL_SAFE_NO_PAD.encode(self.push()?.public_key()) })
    }

    /// Keeps a browser's subscription; its id is `id`, unless the endpoint is known. The flag tells whether
    /// it is new.
    ///
    /// # Errors
    /// [`NotificationsError::Invalid`], [`NotificationsError::NoPush`].
    pub async fn subscribe_push(
        &self,
        user: UserId,
        id: Uuid,
        form: &SubscribeForm,
    ) -> Result<(SubscriptionView, bool), NotificationsError> {
        let (endpoint, p256dh, auth) = self.checked(form)?;
        let label = form.label.as_deref().unwrap_or("").trim();
        let now = self.now();
        let mut conn = self.conn().await?;
        let new = NewSubscription { id, endpoint: endpoint.as_str(), p256dh: &p256dh, auth: &auth, label };
        let kept = (*conn)
            .transaction(async |conn| {
                if store::lock(conn, user).await?.is_none() {
                    return Err(NotificationsError::Forgotten);
                }
                let kept = store::pushes::subscribe(conn, user, &new, MOST, now).await?;
                let Some((id, fresh)) = kept else {
                    let said = format!("{MOST} browsers are subscribed already: forget one first");
                    return Err(NotificationsError::field("/endpoint", said));
                };
                let all = store::pushes::subscriptions(conn, user).await?;
                Ok(all.into_iter().find(|subscription| subscription.id == id).map(|found| (found, fresh)))
            })
            .await?;
        let (found, fresh) = kept.ok_or(NotificationsError::NoSubscription)?;
        Ok((view(found), fresh))
    }

    fn checked(&self, form: &SubscribeForm) -> Result<(Url, Vec<u8>, Vec<u8>), NotificationsError> {
        let mut wrong = Vec::new();
        let mut refuse = |pointer: &str, said: &str| wrong.push(FieldError::new(pointer, said));
        let endpoint = form.endpoint.parse::<Url>().ok().filter(|_| form.endpoint.len() <= LONGEST_ENDPOINT);
        match &endpoint {
            None => refuse("/endpoint", "must be a URL of up to 2,048 characters"),
            Some(url) if !self.push()?.takes(url) => {
                refuse("/endpoint", "must be one of a push service that this server sends to");
            }
            Some(_) => {}
        }
        // Browsers fill the encoding up, or do not.
        let mut bytes = |pointer: &str, text: &str, length: usize| {
            let read = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok().filter(|b| b.len() == length);
            if read.is_none() {
                refuse(pointer, &format!("must be {length} bytes in URL-safe base64"));
            }
            read.unwrap_or_default()
        };
        let p256dh = bytes("/keys/p256dh", &form.keys.p256dh, PUBLIC_KEY_BYTES);
        let auth = bytes("/keys/auth", &form.keys.auth, AUTH_BYTES);
        if p256dh.first().is_some_and(|first| *first != 4) {
            refuse("/keys/p256dh", "must be an uncompressed point");
        }
        let label = form.label.as_deref().unwrap_or("");
        if label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control) {
            refuse("/label", "must be one line of up to 80 characters");
        }
        match endpoint {
            Some(endpoint) if wrong.is_empty() => Ok((endpoint, p256dh, auth)),
            _ => Err(NotificationsError::Invalid(wrong)),
        }
    }

    /// A person's browsers.
    ///
    /// # Errors
    /// [`NotificationsError::Db`].
    pub async fn push_subscriptions(
        &self,
        user: UserId,
    ) -> Result<Vec<SubscriptionView>, NotificationsError> {
        let found = store::pushes::subscriptions(&mut *self.conn().await?, user).await?;
        Ok(found.into_iter().map(view).collect())
    }

    /// Forgets one of them.
    ///
    /// # Errors
    /// [`NotificationsError::NoSubscription`].
    pub async fn unsubscribe_push(&self, user: UserId, id: Uuid) -> Result<(), NotificationsError> {
        match store::pushes::unsubscribe(&mut *self.conn().await?, user, id).await? {
            true => Ok(()),
            false => Err(NotificationsError::NoSubscription),
        }
    }

    /// Pushes what is due until the task is dropped; several may run, here and on other nodes.
    pub async fn run_pushes(self) {
        loop {
            match self.push_due().await {
                Ok(0) => {
                    // Whichever comes first; both lead to another look.
                    let _ = tokio::time::timeout(LOOK, self.inner.pushing.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::debug!(log(), "pushes that are due cannot be read"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Pushes what is due now, once over; how many there were.
    ///
    /// # Errors
    /// When the rows cannot be read. What fails is put off.
    pub async fn push_due(&self) -> Result<usize, NotificationsError> {
        if self.inner.push.get().is_none() {
            return Ok(0);
        }
        let due = store::pushes::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        let count = due.len();
        let mut work = stream::iter(due)
            .map(|due| async move { (self.push_one(&due).await, due.id) })
            .buffer_unordered(ABREAST);
        while let Some((done, id)) = work.next().await {
            match done {
                Ok(outcome) => self.parts().metrics.pushes.with_label_values(&[outcome]).inc(),
                // The lease ends by itself.
                Err(error) => slog::warn!(log(), "a push waits"; "push" => %id, "error" => %error),
            }
        }
        Ok(count)
    }

    /// Takes what is due and does nothing with it, as a worker that dies.
    #[cfg(test)]
    pub(crate) async fn lease_pushes_and_die(&self) -> usize {
        store::pushes::lease(&mut self.conn().await.unwrap(), self.now(), BATCH).await.unwrap().len()
    }

    async fn push_one(&self, due: &Due) -> Result<&'static str, NotificationsError> {
        let now = self.now();
        let calm = self.is_undisturbed(due.user_id).await?;
        let mut conn = self.conn().await?;
        let Some(row) = store::items::one(&mut conn, due.item_id).await? else { return Ok("gone") };
        let preferences = store::preferences::load(&mut conn, due.user_id).await?.preferences;
        let wanted = kind(&row.kind).is_some_and(|kind| preferences.channels(kind).push);
        let late = now - due.since > chrono::Duration::from_std(GOOD_FOR).unwrap_or(chrono::Duration::MAX);
        if row.read_at.is_some() || !wanted || late {
            store::pushes::drop(&mut conn, due).await?;
            return Ok(if row.read_at.is_some() { "read" } else { "dropped" });
        }
        let later = due::after_quiet(&preferences, now);
        if later > now {
            store::pushes::put_off(&mut conn, due.id, later, None).await?;
            return Ok("quiet");
        }
        if calm {
            store::pushes::put_off(&mut conn, due.id, now + CALM, None).await?;
            return Ok("undisturbed");
        }
        let (unread, _) = store::items::unread(&mut conn, due.user_id).await?;
        drop(conn);
        let Ok(endpoint) = due.endpoint.parse() else {
            store::pushes::forget(&mut *self.conn().await?, due.subscription_id).await?;
            return Ok("gone");
        };
        let target = Target { endpoint, p256dh: due.p256dh.clone(), auth: due.auth.clone() };
        let pushed = self.push()?.send(&target, &message(&row, unread)).await;
        let mut conn = self.conn().await?;
        match pushed {
            Ok(()) => {
                store::pushes::sent(&mut conn, due, self.now()).await?;
                Ok("sent")
            }
            Err(PushError::Gone) => {
                store::pushes::forget(&mut conn, due.subscription_id).await?;
                Ok("gone")
            }
            Err(PushError::Refused(said)) => {
                slog::warn!(log(), "a push is given up"; "push" => %due.id, "error" => said);
                store::pushes::drop(&mut conn, due).await?;
                Ok("refused")
            }
            Err(error @ PushError::Unavailable { .. }) => {
                let asked = match &error {
                    PushError::Unavailable { retry_after: Some(pause), .. } => pause.as_secs() as i64,
                    _ => 0,
                };
                let pause = (5_i64 << due.attempts.clamp(0, 12)).max(asked).min(LONGEST);
                let until = now + chrono::Duration::seconds(pause);
                store::pushes::put_off(&mut conn, due.id, until, Some(&error.to_string())).await?;
                Ok("retry")
            }
        }
    }
}

fn view(subscription: Subscription) -> SubscriptionView {
    let service = subscription.endpoint.parse::<Url>().ok();
    SubscriptionView {
        id: subscription.id,
        service: service.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default(),
        label: subscription.label,
        created_at: subscription.created_at,
        pushed_at: subscription.pushed_at,
    }
}

/// What the browser's service worker shows.
fn message(row: &Row, unread: i32) -> Message {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let body = json!({
        "id": row.id, "kind": row.kind, "title": cut(&row.title, 200), "body": cut(&row.body, 300),
        "link": cut(&row.link, 300), "count": row.events, "unread": unread,
    });
    Message {
        body: body.to_string().into_bytes(),
        ttl: GOOD_FOR,
        topic: row.id.0.simple().to_string(),
        urgent: matches!(row.kind.as_str(), "message.sent" | "message.mentioned"),
    }
}
