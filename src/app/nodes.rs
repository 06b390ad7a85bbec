//! What this node does because there are others.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::Notify;
use uuid::Uuid;

use super::wiring::Platform;
use crate::{
    contexts::{
        chat::Chat,
        identity::{SessionNotices, actors::session::SessionCloser},
        notifications::Feed,
    },
    ports::bus::Signals,
    principal::{SessionId, UserId},
    telemetry::log,
};

/// The topic of ended sessions: their ids, sixteen bytes each.
const ENDED: &str = "session_ended";
/// Ids in one word.
const TOLD: usize = 4_096;
/// How often live sessions are compared with the store while words come through, and while they are
/// certainly lost.
const COMPARE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_millis(500));
/// Sessions compared in one query.
const COMPARED: usize = 4_096;

/// Closes the sockets of ended sessions, here and on the other nodes.
pub(super) struct Everywhere {
    here: Arc<SessionCloser>,
    signals: Signals,
}

impl Everywhere {
    /// Also closes here what ends elsewhere.
    pub(super) fn new(here: SessionCloser, signals: &Signals) -> Self {
        let here = Arc::new(here);
        let closer = here.clone();
        signals.on(ENDED, move |body| {
            let ids = body.chunks_exact(16).filter_map(|id| Uuid::from_slice(id).ok()).map(SessionId);
            closer.revoked(&ids.collect::<Vec<_>>());
        });
        Self { here, signals: signals.clone() }
    }
}

impl SessionNotices for Everywhere {
    fn revoked(&self, ids: &[SessionId]) {
        self.here.revoked(ids);
        for ids in ids.chunks(TOLD) {
            let body: Vec<u8> = ids.iter().flat_map(|id| *id.0.as_bytes()).collect();
            self.signals.send(ENDED, Bytes::from(body));
        }
    }
}

/// The topic of people whose logs grew: a person's id and the offset, in sixteen and eight bytes.
const TOLD_OF: &str = "person_told";

/// Pushes here what is told on other nodes, and the other way round.
pub(super) fn join_feeds(feed: &Feed, signals: &Signals) {
    let (hearing, looking, others) = (feed.clone(), feed.clone(), signals.clone());
    signals.on(TOLD_OF, move |body| {
        let Some((user, offset)) = body.split_at_checked(16) else { return };
        if let (Ok(user), Ok(offset)) = (Uuid::from_slice(user), offset.try_into().map(i64::from_be_bytes)) {
            hearing.heard(UserId(user), offset);
        }
    });
    signals.on_gap(move || looking.missed());
    feed.tell_others(move |user, offset| {
        let body = [user.0.as_bytes().as_slice(), &offset.to_be_bytes()].concat();
        others.send(TOLD_OF, Bytes::from(body));
    });
}

/// The topic of people whose blocks changed: a person's id.
const BLOCKS: &str = "blocks_changed";

/// Hears of blocks that were set or lifted on other nodes, and tells them of those here.
pub(super) fn join_blocks(chat: &Chat, signals: &Signals) {
    let (hearing, looking, others) = (chat.clone(), chat.clone(), signals.clone());
    signals.on(BLOCKS, move |body| {
        if let Ok(user) = Uuid::from_slice(&body) {
            hearing.heard_blocks(UserId(user));
        }
    });
    signals.on_gap(move || {
        let chat = looking.clone();
        tokio::spawn(async move {
            if let Err(error) = chat.load_blocks().await {
                slog::warn!(log(), "blocks of other nodes are read later"; "error" => %error);
            }
        });
    });
    chat.tell_blocks(move |user| others.send(BLOCKS, Bytes::copy_from_slice(user.0.as_bytes())));
}

/// Compares live sessions with the store, which is the truth: a word may be lost. Ends at once where
/// there are no other nodes.
pub(super) async fn watch_sessions(platform: Platform) {
    let signals = &platform.signals;
    if signals.is_alone() {
        return;
    }
    let gap = Arc::new(Notify::new());
    let woken = gap.clone();
    signals.on_gap(move || woken.notify_one());
    let closer = SessionCloser { sessions: platform.sessions.clone(), realtime: platform.realtime.clone() };
    loop {
        let mut pause = COMPARE.0;
        while pause > Duration::ZERO && tokio::time::timeout(COMPARE.1, gap.notified()).await.is_err() {
            pause = if signals.is_away() { Duration::ZERO } else { pause.saturating_sub(COMPARE.1) };
        }
        for ids in platform.sessions.ids().chunks(COMPARED) {
            match platform.identity.ended_of(ids.to_vec()).await {
                Ok(ended) => closer.revoked(&ended),
                Err(error) => {
                    slog::debug!(log(), "sessions cannot be compared with the store"; "error" => %error);
                }
            }
        }
    }
}
