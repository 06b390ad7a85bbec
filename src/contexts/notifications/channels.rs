//! The log behind `user:<id>`, and its live side.
//!
//! Publications are in the log before they are pushed. The feed pushes a person's log in order, from
//! where it stands: who commits in which order does not matter to it, and a word too many pushes
//! nothing. It knows where it stands because every connection reads the log's end here first.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use futures_util::{StreamExt, future::BoxFuture, stream};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{metrics::NotificationMetrics, store};
use crate::{
    postgres::{Database, DbError},
    principal::UserId,
    realtime::{
        Channel, ChannelLog, HistoryQuery, Hub, Json, LogSlice, Personal, Publication, RtError, StreamPos,
    },
    telemetry::log,
};

/// Between two looks at everybody's logs, in case a word of another node was lost.
const LOOK: Duration = Duration::from_secs(5);
/// Pause while the database is away.
const PAUSE: Duration = Duration::from_millis(500);
/// Publications read at once.
const PAGE: i64 = 256;
/// People served side by side.
const ABREAST: usize = 4;
/// People asked for in one query.
const ASKED: usize = 1_000;

/// Tells other nodes that somebody's log grew.
type Elsewhere = Box<dyn Fn(UserId, i64) + Send + Sync>;

/// People's logs, live. Cheap to clone.
#[derive(Clone)]
pub struct Feed {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    hub: Hub,
    /// Of people who are connected here: the last offset that was pushed.
    followed: DashMap<UserId, i64>,
    /// Whose logs grew, and the lowest offset that is new.
    news: Mutex<HashMap<UserId, i64>>,
    arrived: Notify,
    /// Words of other nodes may have been lost.
    missed: AtomicBool,
    elsewhere: OnceLock<Elsewhere>,
    metrics: NotificationMetrics,
}

impl Feed {
    /// The logs of a database, pushed to a hub. [`Feed::run`] does the pushing.
    pub fn new(database: Database, hub: Hub, metrics: NotificationMetrics) -> Self {
        let inner = Inner {
            database,
            hub,
            followed: DashMap::new(),
            news: Mutex::default(),
            arrived: Notify::new(),
            missed: AtomicBool::new(false),
            elsewhere: OnceLock::new(),
            metrics,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Says how other nodes are told; a second call changes nothing.
    pub fn tell_others(&self, how: impl Fn(UserId, i64) + Send + Sync + 'static) {
        let _ = self.inner.elsewhere.set(Box::new(how));
    }

    /// Something was committed here at `offset` of somebody's log. Never blocks.
    pub fn committed(&self, user: UserId, offset: i64) {
        self.heard(user, offset);
        if let Some(tell) = self.inner.elsewhere.get() {
            tell(user, offset);
        }
    }

    /// Somebody's log has `offset`, wherever it was written. Never blocks.
    pub fn heard(&self, user: UserId, offset: i64) {
        if !self.inner.hub.has_members(&Personal::channel(user)) {
            return;
        }
        let mut news = self.news();
        let lowest = news.entry(user).or_insert(offset);
        *lowest = offset.min(*lowest);
        drop(news);
        self.inner.arrived.notify_one();
    }

    /// Words may have been missed: everybody's log is looked at soon. Never blocks.
    pub fn missed(&self) {
        self.inner.missed.store(true, Ordering::Relaxed);
        self.inner.arrived.notify_one();
    }

    /// Words may have been missed: looks at the logs of all who are connected here.
    ///
    /// # Errors
    /// The database's.
    pub async fn look_again(&self) -> Result<(), DbError> {
        let users: Vec<UserId> = self.inner.followed.iter().map(|entry| *entry.key()).collect();
        for some in users.chunks(ASKED) {
            let mut conn = self.inner.database.conn().await?;
            for (user, last) in store::log::tops(&mut conn, some).await? {
                if let Some(pushed) = self.inner.followed.get(&user).map(|pushed| *pushed)
                    && last > pushed
                {
                    self.heard(user, pushed + 1);
                }
            }
        }
        Ok(())
    }

    /// Pushes until the task is dropped.
    pub async fn run(self) {
        loop {
            let arrived = self.inner.arrived.notified();
            let news = std::mem::take(&mut *self.news());
            if news.is_empty() {
                let late = tokio::time::timeout(LOOK, arrived).await.is_err();
                if (late | self.inner.missed.swap(false, Ordering::Relaxed))
                    && let Err(error) = self.look_again().await
                {
                    slog::debug!(log(), "people's logs cannot be read now"; "error" => %error);
                }
                continue;
            }
            let work = stream::iter(news).map(|(user, offset)| {
                let this = self.clone();
                async move { (user, offset, this.push(user, offset).await) }
            });
            let mut work = work.buffer_unordered(ABREAST);
            let mut away = false;
            while let Some((user, offset, pushed)) = work.next().await {
                if let Err(error) = pushed {
                    slog::debug!(log(), "a push waits for the database"; "error" => %error);
                    self.heard(user, offset);
                    away = true;
                }
            }
            if away {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Pushes what somebody's log has from `offset` on and was not pushed.
    async fn push(&self, user: UserId, offset: i64) -> Result<(), DbError> {
        let channel = Personal::channel(user);
        loop {
            let from = *self.inner.followed.entry(user).or_insert(offset - 1);
            let mut conn = self.inner.database.conn().await?;
            let part = store::log::read(&mut conn, user, (from, i64::MAX), PAGE, false).await?;
            drop(conn);
            let Some(part) = part else { return Ok(()) };
            let count = part.entries.len();
            let mut last = from;
            for (offset, data) in part.entries {
                if let Some(publication) = publication(offset, &data) {
                    self.inner.hub.publish(&channel, &publication);
                    self.inner.metrics.pushed.inc();
                }
                last = offset;
            }
            // Nobody else pushes to this person meanwhile; a connection's first look changes nothing.
            self.inner.followed.insert(user, last);
            if count < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Forgets people who are no longer connected; call it now and then.
    pub fn sweep(&self) {
        let hub = &self.inner.hub;
        self.inner.followed.retain(|user, _| hub.has_members(&Personal::channel(*user)));
    }

    /// A connection has read that somebody's log ends at `last`. It is in the channel already, so
    /// whatever is committed from here on is news.
    fn follow(&self, user: UserId, last: i64) {
        if self.inner.hub.has_members(&Personal::channel(user)) {
            self.inner.followed.entry(user).or_insert(last);
        }
    }

    fn news(&self) -> MutexGuard<'_, HashMap<UserId, i64>> {
        self.inner.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(
        &self,
        channel: &Channel,
        (after, before): (i64, i64),
        limit: usize,
        reverse: bool,
    ) -> Result<store::log::Part, RtError> {
        let user: UserId = channel.id().parse::<Uuid>().map(UserId).map_err(|_| RtError::UNKNOWN_CHANNEL)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut conn = self.inner.database.conn().await?;
        let read = store::log::read(&mut conn, user, (after, before), limit, reverse).await?;
        let part = match read {
            Some(part) => part,
            None => match store::lock(&mut conn, user).await? {
                // One statement, so the lock is gone again: it made the stream, that is all.
                Some(stream) => store::log::Part {
                    epoch: stream.epoch,
                    first_offset: stream.first_offset,
                    last_offset: stream.last_offset,
                    entries: Vec::new(),
                },
                None => return Err(RtError::UNKNOWN_CHANNEL),
            },
        };
        self.follow(user, part.last_offset);
        Ok(part)
    }
}

fn publication(offset: i64, data: &str) -> Option<Publication> {
    let raw: Box<RawValue> = serde_json::from_str(data).ok()?;
    Some(Publication::at(u64::try_from(offset).ok()?, Json::of(&raw).ok()?))
}

fn number(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn slice(part: store::log::Part, reaches_back: impl FnOnce(i64, i64) -> bool) -> LogSlice {
    let store::log::Part { epoch, first_offset, last_offset, entries } = part;
    LogSlice {
        publications: entries.iter().filter_map(|(offset, data)| publication(*offset, data)).collect(),
        top: StreamPos { offset: u64::try_from(last_offset).unwrap_or_default(), epoch },
        reaches_back: reaches_back(first_offset, last_offset),
    }
}

impl ChannelLog for Feed {
    fn top<'a>(&'a self, channel: &'a Channel) -> BoxFuture<'a, Result<StreamPos, RtError>> {
        Box::pin(async move { Ok(slice(self.read(channel, (0, 0), 0, false).await?, |_, _| true).top) })
    }

    fn since<'a>(
        &'a self,
        channel: &'a Channel,
        offset: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>> {
        Box::pin(async move {
            let from = number(offset);
            let part = self.read(channel, (from, i64::MAX), limit, false).await?;
            Ok(slice(part, |first, last| from >= first - 1 && from <= last))
        })
    }

    fn page<'a>(
        &'a self,
        channel: &'a Channel,
        query: &'a HistoryQuery,
    ) -> BoxFuture<'a, Result<LogSlice, RtError>> {
        Box::pin(async move {
            let since = query.since.map(number);
            let between =
                if query.reverse { (0, since.unwrap_or(i64::MAX)) } else { (since.unwrap_or(0), i64::MAX) };
            let part = self.read(channel, between, query.limit, query.reverse).await?;
            Ok(slice(part, |first, last| match since {
                Some(from) if !query.reverse => from >= first - 1 && from <= last,
                _ => true,
            }))
        })
    }
}
