//! A directory of objects, served on a port, with rows in a private Postgres and a clock that the test
//! moves.

use std::sync::Arc;

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use tempfile::TempDir;

use crate::{
    clock::ManualClock,
    contexts::objects::{Parts, Settings, Uploads},
    http::router,
    ports::objects::{
        Objects,
        directory::{Directory, serve::Served},
    },
    postgres::Database,
    principal::{Principal, Role, SessionId, UserId},
    signing::Signer,
    tests::support::database::TestDatabase,
};

/// A directory that answers its URLs.
pub(crate) struct Store {
    pub directory: Directory,
    pub clock: ManualClock,
    server: ServerHandle,
    pub files: TempDir,
}

impl Store {
    pub async fn start() -> Self {
        let files = TempDir::new().unwrap();
        let clock = ManualClock::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let directory = Directory::new(files.path(), Signer::random().unwrap(), clock.clock(), &base, None);
        let served = Served(Some(directory.clone()));
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(served.clone())).configure(router::configure)
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .unwrap()
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { directory, clock, server: handle, files }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// Uploads over such a directory.
pub(crate) struct World {
    pub uploads: Uploads,
    pub store: Store,
    pub database: Database,
    _test: TestDatabase,
}

pub(crate) const MIB: u64 = 1 << 20;

pub(crate) fn settings() -> Settings {
    Settings {
        quota: 40 * MIB,
        largest: 30 * MIB,
        part: 5 * MIB,
        url_life: std::time::Duration::from_secs(600),
        open_for: std::time::Duration::from_secs(3600),
        inline: 12 * MIB,
    }
}

impl World {
    pub async fn new() -> Self {
        let test = TestDatabase::new();
        let database = test.open().await;
        let store = Store::start().await;
        let uploads = Uploads::new(Parts {
            database: database.clone(),
            objects: Arc::new(store.directory.clone()) as Arc<dyn Objects>,
            signer: Signer::random().unwrap(),
            clock: store.clock.clock(),
            settings: settings(),
        });
        Self { uploads, store, database, _test: test }
    }

    /// Does what is due, until nothing is.
    pub async fn drain(&self) {
        for _ in 0..50 {
            if self.uploads.tick().await.unwrap() == 0 {
                return;
            }
        }
        panic!("the work never ends");
    }

    /// What the store holds, by key.
    pub async fn stored(&self) -> Vec<String> {
        let all = self.store.directory.list(None, 1_000).await.unwrap();
        all.into_iter().map(|one| one.key.to_string()).collect()
    }
}

pub(crate) fn person() -> Principal {
    Principal {
        user_id: UserId::new(),
        session_id: SessionId::new(),
        display_name: "Somebody".into(),
        roles: vec![Role::Student],
        email_verified: true,
    }
}
