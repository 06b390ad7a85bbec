//! What goes on beside requests.

use std::time::Duration;

use tokio::task::{JoinHandle, spawn_local};

use super::{Options, demo, nodes, wiring::Platform};
use crate::{
    events::forget_old,
    http::{limits::Limits, ops},
    ports::locks::Lease,
    telemetry::log,
};

/// How often ended sessions and spent links are removed.
const TIDY: Duration = Duration::from_secs(300);
/// How long the lock on that outlives a node that died.
const TIDY_LEASE: Duration = Duration::from_secs(30);
/// How often mails that wait are counted.
const COUNT: Duration = Duration::from_secs(10);
/// How soon a payout is handed to the provider.
const PAY_OUT: Duration = Duration::from_secs(2);
/// Between two looks whether the demo's events have been taken.
const CATCH_UP: Duration = Duration::from_millis(50);
/// Between attempts to put the demo data in place while the database is away.
const RETRY: Duration = Duration::from_secs(1);

pub(super) fn start(platform: &Platform, options: Options) -> Vec<JoinHandle<()>> {
    vec![
        spawn_local(prepare(platform.clone(), options)),
        spawn_local(tidy(platform.clone())),
        spawn_local(sweep(platform.clone())),
        spawn_local(platform.gigs.clone().run_timers()),
        spawn_local(platform.uploads.clone().run_timers()),
        spawn_local(platform.privacy.clone().run()),
        spawn_local(platform.learning.clone().run_timers()),
        spawn_local(platform.career.clone().run_timers()),
        spawn_local(platform.game.clone().run()),
        spawn_local(platform.discovery.clone().run_indexer()),
        spawn_local(platform.discovery.clone().run_matching()),
        spawn_local(platform.chat.clone().run_announcer()),
        spawn_local(platform.chat.clone().run_erasures()),
        spawn_local(pay_out(platform.clone())),
        spawn_local(platform.feed.clone().run()),
        spawn_local(platform.notifications.clone().run_mailings()),
        spawn_local(platform.notifications.clone().run_pushes()),
        spawn_local(platform.notifications.mail().clone().run()),
        spawn_local(count_mails(platform.clone())),
        spawn_local(deliver(platform.clone())),
        spawn_local(nodes::watch_sessions(platform.clone())),
        spawn_local(platform.gauges.clone().run()),
        spawn_local(ops::publish_every_second(platform.ops.clone(), platform.hub.clone())),
    ]
}

/// All that must be done before the server calls itself ready.
async fn prepare(platform: Platform, options: Options) {
    if let Err(error) = platform.identity.warm_up().await {
        slog::warn!(log(), "the first sign-in will be slow"; "error" => %error);
    }
    if options.demo {
        while let Err(error) = demo::fill(
            &platform.identity,
            &platform.chat,
            &platform.gigs,
            &platform.learning,
            &platform.career,
            &|_, _, _| {},
        )
        .await
        {
            slog::error!(log(), "the demo data is not in place"; "error" => %error);
            tokio::time::sleep(RETRY).await;
        }
        // The demo's people stand on the boards with what they did.
        while !platform.game.is_caught_up().await.unwrap_or(false) {
            tokio::time::sleep(CATCH_UP).await;
        }
        // And are found.
        while !platform.discovery.is_caught_up().await.unwrap_or(false) {
            tokio::time::sleep(CATCH_UP).await;
        }
    }
    platform.health.prepared();
}

async fn tidy(platform: Platform) {
    let mut lease: Option<Lease> = None;
    loop {
        tokio::time::sleep(TIDY).await;
        // One node is enough, and it stays the one until it is gone. Each step may be done twice, so a
        // lock that cannot be asked keeps nobody from it.
        if !lease.as_ref().is_some_and(Lease::is_held) {
            lease = match platform.shared.locks.try_lock("tidy", TIDY_LEASE).await {
                Ok(Some(lease)) => Some(lease),
                Ok(None) => continue,
                Err(_) => None,
            };
        }
        if let Err(error) = platform.identity.tidy().await {
            slog::warn!(log(), "could not tidy up; the next round will"; "error" => %error);
        }
        if let Err(error) = forget_old(&platform.database).await {
            slog::warn!(log(), "old events stay for now"; "error" => %error);
        }
        if let Err(error) = platform.activity.tidy().await {
            slog::warn!(log(), "old activity stays for now"; "error" => %error);
        }
        if let Err(error) = platform.chat.load_blocks().await {
            slog::warn!(log(), "blocks of other nodes are read later"; "error" => %error);
        }
        if let Err(error) = platform.chat.retire(chrono::Utc::now()).await {
            slog::warn!(log(), "old messages stay for now"; "error" => %error);
        }
        if let Err(error) = platform.chat.tidy().await {
            slog::warn!(log(), "old statuses stay for now"; "error" => %error);
        }
        if let Err(error) = platform.career.tidy().await {
            slog::warn!(log(), "times of the past stay for now"; "error" => %error);
        }
        if let Err(error) = platform.notifications.tidy().await {
            slog::warn!(log(), "old notifications stay for now"; "error" => %error);
        }
        if let Err(error) = platform.idempotency.tidy().await {
            slog::warn!(log(), "could not tidy up keys; the next round will"; "error" => %error);
        }
    }
}

async fn count_mails(platform: Platform) {
    loop {
        if let Err(error) = platform.notifications.mail().count().await {
            slog::debug!(log(), "mails are not counted now"; "error" => %error);
        }
        tokio::time::sleep(COUNT).await;
    }
}

async fn sweep(platform: Platform) {
    loop {
        tokio::time::sleep(Limits::SWEEP).await;
        platform.limits.sweep();
        platform.gigs_live.sweep();
        platform.courses_live.sweep();
        platform.career_live.sweep();
        platform.feed.sweep();
    }
}

/// Hands payouts to the provider.
async fn pay_out(platform: Platform) {
    loop {
        tokio::time::sleep(PAY_OUT).await;
        if let Err(error) = platform.ledger.advance_payouts().await {
            slog::debug!(log(), "payouts wait for the database"; "error" => %error);
        }
    }
}

/// The sandbox's webhooks; a real provider's come over HTTP.
async fn deliver(platform: Platform) {
    if let Some(sandbox) = &platform.sandbox {
        sandbox.run(&platform.ledger).await;
    }
}
