//! The connection pool.
//!
//! Connections are driven by a runtime of the database's own, not by whichever runtime first asked
//! for one: the HTTP workers are single threads that come and go, and a connection must not stall
//! or die with the worker that happened to open it.

use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection, pooled_connection::PoolableConnection};
use tokio::{runtime::Handle, task::JoinHandle};

use super::{DbError, tls::Target};

/// A pooled connection; use `&mut conn` wherever diesel-async wants one. Back in the pool when dropped.
pub type Conn = Object<Manager>;

pub(super) type Pool = managed::Pool<Manager>;

/// A connection that lay still for so long is asked whether it is still there before it is handed
/// out; a broken one is noticed without asking.
const ASK_AFTER: Duration = Duration::from_secs(30);

/// Opens connections and judges returned ones.
#[doc(hidden)]
pub struct Manager {
    target: Target,
    driver: Handle,
}

impl Manager {
    pub(super) fn new(target: Target, driver: Handle) -> Self {
        Self { target, driver }
    }
}

impl managed::Manager for Manager {
    type Type = AsyncPgConnection;
    type Error = DbError;

    async fn create(&self) -> Result<AsyncPgConnection, DbError> {
        let target = self.target.clone();
        let opened = AbortOnDrop(self.driver.spawn(async move { establish(&target).await }));
        opened.join().await.map_err(|e| DbError::Unavailable(e.into()))?
    }

    async fn recycle(&self, conn: &mut AsyncPgConnection, metrics: &Metrics) -> RecycleResult<DbError> {
        if conn.is_broken() {
            return Err(RecycleError::message("the connection is closed or in a transaction"));
        }
        if metrics.last_used() > ASK_AFTER {
            conn.batch_execute("").await.map_err(DbError::from)?;
        }
        Ok(())
    }
}

/// One connection, driven by the runtime this is called on.
pub(super) async fn establish(target: &Target) -> Result<AsyncPgConnection, DbError> {
    let unavailable = |cause: super::Cause| DbError::Unavailable(cause);
    let (client, connection) =
        target.config.connect(target.tls.clone()).await.map_err(|e| unavailable(e.into()))?;
    AsyncPgConnection::try_from_client_and_connection(client, connection)
        .await
        .map_err(|e| unavailable(e.into()))
}

/// A task that ends when nobody waits for it any more.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
