//! The chat log and the activity stream: in PostgreSQL, or where `MONGODB_URL` says.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::StartError;
use crate::{
    config::Config,
    contexts::{
        activity::{ActivityStream, MongoActivity, PostgresActivity},
        chat::{self, EventLog, MongoLog, PostgresLog, TailSize},
    },
    ports::{Mode, Store, StoreStatus, mongo::Mongo},
    postgres::Database,
};

/// The adapters of this configuration.
#[derive(Clone)]
pub(super) struct Logs {
    pub chat: Arc<dyn EventLog>,
    pub activity: Arc<dyn ActivityStream>,
    /// What `/readyz` shows.
    pub store: Arc<dyn Store>,
}

/// Which adapters; MongoDB need not answer yet.
///
/// # Errors
/// When `MONGODB_URL` cannot be used.
pub(super) async fn logs(config: &Config, database: &Database) -> Result<Logs, StartError> {
    Ok(match mongo_log(config).await? {
        Some((log, activity)) => {
            Logs { chat: Arc::new(log.clone()), activity: Arc::new(activity), store: Arc::new(log) }
        }
        None => Logs {
            chat: Arc::new(PostgresLog::new(database.clone())),
            activity: Arc::new(PostgresActivity::new(database.clone())),
            store: Arc::new(InPostgres(Some(database.clone()))),
        },
    })
}

async fn mongo_log(config: &Config) -> Result<Option<(MongoLog, MongoActivity)>, StartError> {
    let Some(mongo) = Mongo::connect(&config.mongodb).await? else { return Ok(None) };
    let tail = TailSize { bytes: config.mongodb.tail_mib << 20 };
    Ok(Some((MongoLog::new(mongo.clone(), tail), MongoActivity::new(mongo))))
}

/// The chat log beside everything else that is relational.
struct InPostgres(Option<Database>);

impl Store for InPostgres {
    fn status(&self) -> BoxFuture<'_, StoreStatus> {
        Box::pin(async move {
            let store = match &self.0 {
                Some(database) => Some(database.status().await),
                None => None,
            };
            StoreStatus {
                name: "chat_log",
                mode: Mode::Embedded,
                reachable: store.as_ref().is_some_and(|store| store.reachable),
                latency_ms: store.and_then(|store| store.latency_ms),
                version: None,
                detail: Some("in PostgreSQL, schema chat".into()),
                mend: None,
            }
        })
    }
}

/// What `gigsy check` says of the chat log: reachable, complete, and whether the rooms' logs are there.
pub async fn chat_log_status(config: &Config, database: Option<&Database>) -> StoreStatus {
    let (mut status, log) = match mongo_log(config).await {
        Ok(None) => {
            let log =
                database.map(|database| Arc::new(PostgresLog::new(database.clone())) as Arc<dyn EventLog>);
            (InPostgres(database.cloned()).status().await, log)
        }
        Ok(Some((log, _))) => (log.inspect().await, Some(Arc::new(log) as Arc<dyn EventLog>)),
        Err(error) => {
            let mut status = InPostgres(None).status().await;
            (status.mode, status.detail) = (Mode::Server, None);
            status.mend = Some(format!("MONGODB_URL: {error}"));
            (status, None)
        }
    };
    let (Some(log), Some(database), true, None) = (log, database, status.reachable, &status.mend) else {
        return status;
    };
    match look(config, database, &*log).await {
        Ok(None) => {}
        Ok(Some(mend)) => status.mend = Some(mend),
        Err(error) => status.mend = Some(format!("the rooms' logs cannot be compared: {error}")),
    }
    status
}

/// What to do about rooms whose history is not in the store in use.
async fn look(
    config: &Config,
    database: &Database,
    log: &dyn EventLog,
) -> Result<Option<String>, chat::StoreError> {
    if database.migrations().await.is_ok_and(|state| state.pending > 0) {
        return Ok(None);
    }
    let rooms = chat::all_rooms(database).await?;
    let in_postgres = PostgresLog::new(database.clone());
    let other = config.mongodb.url.is_some().then_some(&in_postgres as &dyn EventLog);
    let found = chat::survey(&rooms, log, other).await?;
    Ok(match (found.behind, found.without_log) {
        (0, 0) => None,
        (0, lost) if config.mongodb.url.is_none() => Some(format!(
            "{lost} of {} rooms have no log here: if it is in MongoDB, set MONGODB_URL, or bring it back \
             with gigsy move chat --from mongodb --to postgres",
            found.rooms
        )),
        // Their first message makes it.
        (0, _) => None,
        (behind, _) => Some(format!(
            "the history of {behind} of {} rooms is in PostgreSQL and not in MongoDB: gigsy move chat --from \
             postgres --to mongodb",
            found.rooms
        )),
    })
}

/// Makes the collections for `gigsy migrate`; `None` when there is no MongoDB.
///
/// # Errors
/// When it does not answer or refuses.
pub async fn provision_logs(config: &Config) -> Result<Option<Vec<String>>, StartError> {
    let Some((log, activity)) = mongo_log(config).await? else { return Ok(None) };
    let made = log.provision().await?;
    activity.provision().await?;
    Ok(Some(made))
}

/// Both logs there are, for `gigsy move chat`: PostgreSQL's, and MongoDB's where `MONGODB_URL` is set.
///
/// # Errors
/// When `MONGODB_URL` cannot be used.
pub async fn both_logs(
    config: &Config,
    database: &Database,
) -> Result<(Arc<dyn EventLog>, Option<Arc<dyn EventLog>>), StartError> {
    let mongo = mongo_log(config).await?.map(|(log, _)| Arc::new(log) as Arc<dyn EventLog>);
    Ok((Arc::new(PostgresLog::new(database.clone())), mongo))
}

/// The chat log in use.
///
/// # Errors
/// When `MONGODB_URL` cannot be used.
pub async fn chat_log(config: &Config, database: &Database) -> Result<Arc<dyn EventLog>, StartError> {
    Ok(logs(config, database).await?.chat)
}
