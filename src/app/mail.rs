//! Where mail goes: files, or the server of `SMTP_URL`.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;

use super::StartError;
use crate::{
    clock::Clock,
    config::Config,
    ports::{
        Mode, Store, StoreStatus,
        mail::{FileMail, Mail, MailMetrics, MailQueue, QueueSettings, Sender, SmtpMail, SmtpSettings},
    },
    postgres::Database,
    telemetry::metrics::Metrics,
};

/// The way of mails on this server.
pub(super) struct Way {
    /// What is written in the transaction of its cause.
    pub queue: MailQueue,
    /// What has no such transaction, or keeps a secret that no table should: a file at once, a server
    /// through the queue, since whoever asks must not wait for it (nor learn from the time it takes
    /// whether an account exists).
    pub direct: Arc<dyn Mail>,
    /// What `/readyz` shows.
    pub shown: Arc<dyn Store>,
}

fn sender(config: &Config) -> Sender {
    let set = config.mail.from.as_deref().and_then(Sender::parse);
    set.unwrap_or_else(|| Sender::of(&config.public_url()))
}

fn files(config: &Config) -> FileMail {
    FileMail::new(Path::new(&config.data.dir), &config.public_url()).from(sender(config))
}

fn smtp(config: &Config) -> Result<Option<SmtpMail>, StartError> {
    let Some(url) = &config.mail.url else { return Ok(None) };
    let settings = SmtpSettings {
        url: url.clone(),
        ca: config.mail.ca.clone(),
        timeout: Duration::from_secs(config.mail.timeout_seconds),
        sender: sender(config),
    };
    Ok(Some(SmtpMail::new(settings)?))
}

/// The way of the configuration.
pub(super) fn way(config: &Config, database: &Database, metrics: &Metrics) -> Result<Way, StartError> {
    let settings = QueueSettings {
        timeout: Duration::from_secs(config.mail.timeout_seconds),
        attempts: config.mail.attempts,
    };
    let queue = |via: Arc<dyn Mail>| {
        MailQueue::new(database.clone(), via, Clock::system(), settings, MailMetrics::new(metrics))
    };
    Ok(match smtp(config)? {
        None => {
            let files = Arc::new(files(config));
            Way { queue: queue(files.clone()), direct: files.clone(), shown: files }
        }
        Some(server) => {
            let place = server.place().to_owned();
            let queue = queue(Arc::new(server));
            Way {
                direct: Arc::new(queue.clone()),
                shown: Arc::new(Queued { queue: queue.clone(), place }),
                queue,
            }
        }
    })
}

/// What `gigsy check` says: it asks the mail server itself.
///
/// # Errors
/// When the settings cannot be used.
pub async fn mail_status(config: &Config) -> Result<StoreStatus, StartError> {
    Ok(match smtp(config)? {
        Some(server) => server.status().await,
        None => files(config).status().await,
    })
}

/// Mail as `/readyz` sees it. The server is ready while its mail server is away: mails wait.
struct Queued {
    queue: MailQueue,
    place: String,
}

impl Store for Queued {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let report = self.queue.report().await.ok();
            let waits = report
                .as_ref()
                .map(|report| format!("; {} wait, {} dead", report.waiting, report.dead.len()));
            StoreStatus {
                name: "mail",
                mode: Mode::Server,
                reachable: true,
                latency_ms: None,
                version: None,
                detail: Some(format!("{}{}", self.place, waits.unwrap_or_default())),
                mend: report.and_then(|report| report.last_error),
            }
        })
    }
}
