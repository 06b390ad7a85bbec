//! The server in this process, on a port and a database of its own.

use std::{net::TcpListener, sync::Arc};

use tempfile::TempDir;

use super::database::TestDatabase;
use crate::{
    app::{self, Options, Server},
    config::{self, Config},
    postgres::Database,
};

/// A running server. Call [`TestApp::stop`] at the end.
pub struct TestApp {
    server: Server,
    database: Database,
    base: String,
    // Dropped last: what the server stands on.
    files: TempDir,
    test: Arc<TestDatabase>,
}

impl TestApp {
    /// Starts one with settings by their environment names.
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(TestDatabase::new()), settings, Options::default()).await
    }

    /// Starts one that fills itself with the demo's people; `/readyz` tells when it has.
    pub async fn demo(settings: &[(&str, &str)]) -> Self {
        Self::on(Arc::new(TestDatabase::new()), settings, Options { demo: true }).await
    }

    /// Starts another node over the same database.
    pub async fn beside(&self, settings: &[(&str, &str)]) -> Self {
        Self::on(self.test.clone(), settings, Options::default()).await
    }

    async fn on(test: Arc<TestDatabase>, settings: &[(&str, &str)], options: Options) -> Self {
        let files = TempDir::new().unwrap();
        let mut vars: Vec<(String, String)> =
            settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        if !vars.iter().any(|(name, _)| name == "REDIS_URL") {
            vars.extend(super::redis::of_the_suite());
        }
        vars.push(("GIGSY_DATA_DIR".into(), files.path().display().to_string()));
        vars.push(("GIGSY_LISTEN".into(), "127.0.0.1:0".into()));
        vars.push(("GIGSY_WORKERS".into(), "1".into()));
        let mut config: Config = config::layer("none".into(), "", vars.into_iter()).unwrap();
        config.database = test.config();
        let listener = TcpListener::bind(config.server.listen).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let database = test.open().await;
        let server = app::start(config, listener, database.clone(), options).await.unwrap();
        Self { server, database, base, files, test }
    }

    /// What the server stands on.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// The data directory.
    pub fn files(&self) -> &std::path::Path {
        self.files.path()
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.server.stop().await;
        self.database.shutdown().await;
    }
}
