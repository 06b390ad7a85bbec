//! One test's own world.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration as StdDuration,
};

use async_trait::async_trait;
use chrono::Duration;

use crate::{
    clock::ManualClock,
    contexts::identity::{
        Identity, IdentityError, Opened, RegisterForm, SessionNotices, Settings, SignInForm, UserView,
        store::PostgresStore,
    },
    ports::mail::{Letter, Mail, MailError},
    postgres::Database,
    principal::{Principal, Role, SessionId},
    signing::Signer,
    tests::support::database::TestDatabase,
};

pub const HOME: &str = "192.0.2.1";
pub const AWAY: &str = "198.51.100.7";
pub const PASSWORD: &str = "correct horse";

pub struct World {
    pub identity: Identity,
    pub database: Database,
    pub clock: ManualClock,
    pub mail: Arc<Mailbox>,
    pub ended: Arc<Ended>,
    // Last: the pool lets go before the database is dropped.
    _own: TestDatabase,
}

#[derive(Default)]
pub struct Mailbox(Mutex<Vec<Letter>>);

#[async_trait]
impl Mail for Mailbox {
    async fn send(&self, letter: Letter) -> Result<(), MailError> {
        self.0.lock().unwrap().push(letter);
        Ok(())
    }
}

impl Mailbox {
    pub fn letters(&self) -> Vec<Letter> {
        self.0.lock().unwrap().clone()
    }

    /// The token of the last link that was mailed to `to` for `page`.
    pub fn token(&self, to: &str, page: &str) -> Option<String> {
        let mark = format!("/{page}?token=");
        let letters = self.letters();
        let mut letters = letters.iter().rev().filter(|letter| letter.to == to);
        letters.find_map(|letter| {
            let line = letter.text.lines().find(|line| line.contains(&mark))?;
            Some(line.split_once(&mark)?.1.to_owned())
        })
    }

    /// As [`Mailbox::token`], for what is mailed beside the answer.
    pub async fn awaited_token(&self, to: &str, page: &str) -> String {
        for _ in 0..400 {
            if let Some(token) = self.token(to, page) {
                return token;
            }
            tokio::time::sleep(StdDuration::from_millis(10)).await;
        }
        panic!("no {page} was mailed to {to}");
    }
}

/// What the real-time layer would be told.
#[derive(Default)]
pub struct Ended(Mutex<Vec<SessionId>>);

impl SessionNotices for Ended {
    fn revoked(&self, ids: &[SessionId]) {
        self.0.lock().unwrap().extend(ids);
    }
}

impl Ended {
    pub fn ids(&self) -> Vec<SessionId> {
        let mut ids = self.0.lock().unwrap().clone();
        ids.sort_unstable();
        ids
    }
}

pub fn settings() -> Settings {
    Settings {
        public_url: "https://gigsy.example.org".into(),
        session_life: Duration::days(30),
        realtime_token_life: Duration::minutes(10),
        hash_concurrency: 2,
        secure_cookie: true,
        cross_site_cookie: false,
        deletion_grace: Duration::days(14),
    }
}

pub async fn world() -> World {
    let own = TestDatabase::new();
    let database = own.open().await;
    let clock = ManualClock::default();
    let mail = Arc::<Mailbox>::default();
    let ended = Arc::<Ended>::default();
    let store = Arc::new(PostgresStore::new(database.clone()));
    let signer = Signer::new(&[1; 32]);
    let identity = Identity::new(store, mail.clone(), signer, clock.clock(), settings());
    identity.notify_of_ended_sessions(ended.clone());
    World { identity, database, clock, mail, ended, _own: own }
}

impl World {
    pub async fn register(&self, email: &str) -> UserView {
        UserView::from(&self.identity.register(&form(email)).await.unwrap())
    }

    pub async fn try_sign_in(
        &self,
        email: &str,
        password: &str,
        from: &str,
    ) -> Result<Opened, IdentityError> {
        let form = SignInForm { email: email.into(), password: password.into(), device: Some("test".into()) };
        self.identity.sign_in(&form, from.parse::<IpAddr>().unwrap()).await
    }

    pub async fn sign_in(&self, email: &str) -> (Opened, Principal) {
        let opened = self.try_sign_in(email, PASSWORD, HOME).await.unwrap();
        let who = self.identity.by_session_token(opened.token.reveal()).await.unwrap();
        (opened, who)
    }

    pub async fn sign_in_as(&self, email: &str, password: &str) -> Opened {
        self.try_sign_in(email, password, HOME).await.unwrap()
    }

    /// Registers, signs in.
    pub async fn person(&self, email: &str) -> (Opened, Principal) {
        self.register(email).await;
        self.sign_in(email).await
    }
}

pub fn form(email: &str) -> RegisterForm {
    RegisterForm {
        email: email.into(),
        password: PASSWORD.into(),
        display_name: "Lina Okafor".into(),
        role: Some(Role::Student),
    }
}

pub fn home() -> IpAddr {
    HOME.parse().unwrap()
}
