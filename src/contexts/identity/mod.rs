//! Identity: who people are, and how they prove it.
//!
//! **Owns** accounts, passwords, e-mail verification, sessions, roles, the basics of a profile, and the
//! request to delete an account; schema `identity`.
//!
//! **Emits** `user.registered`, `user.renamed` and `user.erasure_requested` ([`events`]). Whoever holds connections of a session learns of its end through
//! [`SessionNotices`]; everybody else asks [`Directory`].
//!
//! **Never touches** what people do: rooms, gigs, courses. It does not know of the real-time layer
//! either; a connection token is only something it signs and checks.
//!
//! # Choices worth knowing
//! - Registration says when an address is taken (409): it cannot both refuse and keep the secret
//!   without a mail in between, and it is rate-limited. Sign-in, reset and resend never tell.
//! - A session is one row. Its token (`gs_…`) is stored as SHA-256 only; ending it deletes the row.
//! - Asking for deletion signs out every *other* session and schedules the end 14 days ahead. The
//!   person may still sign in during that time, so that they can take it back.

pub mod actors;
mod admission;
mod consumers;
mod custody;
mod error;
pub mod events;
pub mod handlers;
mod lockout;
mod mails;
mod model;
mod passwords;
mod service;
pub mod store;
mod tokens;

use std::sync::{Arc, OnceLock};

use chrono::Duration;

pub use consumers::consumers;
pub use error::IdentityError;
pub use handlers::api;
pub use model::{
    Account, DeletionView, Email, MeView, Password, Patch, Person, ProfilePatch, RegisterForm, Session,
    SessionView, UserView,
};
pub use service::{
    ChangePasswordForm, DEMO_ACCOUNTS, DEMO_PASSWORD, DeletionForm, DemoAccount, DemoPeople, Directory,
    LinkForm, Opened, Reach, RealtimeGrant, RealtimeToken, ResetForm, ResetRequestForm, SignInForm,
};
pub use store::{Store, StoreError};
pub use tokens::{Token, TokenKind};

use crate::{
    clock::Clock,
    config::Config,
    ports::{cache::Cache, mail::Mail},
    principal::SessionId,
    signing::Signer,
};
use passwords::Passwords;

/// Told when sessions end before their time, so that their connections are closed at once.
pub trait SessionNotices: Send + Sync {
    /// These sessions have ended. Must not block.
    fn revoked(&self, ids: &[SessionId]);
}

/// What identity is set up with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where links in mails lead, without a trailing slash.
    pub public_url: String,
    /// How long a session lasts without use.
    pub session_life: Duration,
    /// How long a connection token lasts.
    pub realtime_token_life: Duration,
    /// Argon2id runs at once; 0 takes one per core.
    pub hash_concurrency: usize,
    /// Whether the session cookie is `Secure`.
    pub secure_cookie: bool,
    /// Whether the cookie serves a frontend on another site.
    pub cross_site_cookie: bool,
    /// From the request to delete an account to its erasure.
    pub deletion_grace: Duration,
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        // No duration is set to more than a lifetime; past it, a lifetime it is.
        let seconds = |n: u64| Duration::seconds(i64::try_from(n).unwrap_or(i64::MAX).min(3_000_000_000));
        Self {
            public_url: config.public_url(),
            session_life: Duration::days(i64::from(config.auth.session_days).min(36_500)),
            realtime_token_life: seconds(config.auth.realtime_token_seconds),
            hash_concurrency: config.auth.hash_concurrency,
            secure_cookie: config.is_https(),
            cross_site_cookie: config.auth.cross_site,
            deletion_grace: Duration::days(14),
        }
    }
}

/// The identity context. Cheap to clone; each use case is a method (in `service/`).
#[derive(Clone)]
pub struct Identity {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    mail: Arc<dyn Mail>,
    signer: Signer,
    clock: Clock,
    passwords: Passwords,
    settings: Settings,
    notices: OnceLock<Arc<dyn SessionNotices>>,
    cache: OnceLock<Cache>,
}

impl Identity {
    /// Sets the context up; nothing runs by itself. The server calls [`Identity::warm_up`] once and
    /// [`Identity::tidy`] every few minutes.
    pub fn new(
        store: Arc<dyn Store>,
        mail: Arc<dyn Mail>,
        signer: Signer,
        clock: Clock,
        settings: Settings,
    ) -> Self {
        let passwords = Passwords::new(settings.hash_concurrency);
        let (notices, cache) = (OnceLock::new(), OnceLock::new());
        Self { inner: Arc::new(Inner { store, mail, signer, clock, passwords, settings, notices, cache }) }
    }

    /// Public profiles are read through that cache; a second call changes nothing.
    pub fn cache_profiles(&self, cache: Cache) {
        let _ = self.inner.cache.set(cache);
    }

    /// Says who is told of ended sessions. The real-time layer is built on top of this context, so
    /// it comes later than `new`; a second call changes nothing.
    pub fn notify_of_ended_sessions(&self, notices: Arc<dyn SessionNotices>) {
        let _ = self.inner.notices.set(notices);
    }

    /// What other contexts may ask about people.
    pub fn directory(&self) -> Directory {
        Directory::new(self.inner.store.clone())
    }

    /// What it was set up with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    fn tell_ended(&self, ids: &[SessionId]) {
        if let Some(notices) = self.inner.notices.get()
            && !ids.is_empty()
        {
            notices.revoked(ids);
        }
    }
}
