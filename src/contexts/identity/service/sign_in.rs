//! Signing in.

use std::net::IpAddr;

use serde::Deserialize;

use crate::{
    contexts::identity::{
        Identity, IdentityError, lockout,
        model::{self, Account, Email, Password, Session},
        passwords::Verdict,
        store::Credentials,
        tokens::{Token, TokenKind},
    },
    error::FieldError,
    principal::SessionId,
    telemetry::log,
};

/// A sign-in as it is typed in.
#[derive(Clone, Deserialize, utoipa::ToSchema)]
pub struct SignInForm {
    /// The e-mail address; case does not matter.
    #[schema(example = "student@demo.gigsy.test", max_length = 254)]
    pub email: String,
    /// The password.
    #[schema(example = "gigsy-demo-1", max_length = 256, format = Password)]
    pub password: String,
    /// What the client calls its device, for the list of sessions; at most 80 characters.
    #[serde(default)]
    #[schema(example = "Firefox on Debian", max_length = 80)]
    pub device: Option<String>,
}

/// A session that was just opened: the only moment at which its token is known.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Proves the session.
    pub token: Token,
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub account: Account,
}

impl Identity {
    /// Opens a session.
    ///
    /// # Errors
    /// [`IdentityError::WrongCredentials`], after the same time and in the same words whether there is
    /// such an account; [`IdentityError::TooManyAttempts`], whether there is one or not.
    pub async fn sign_in(&self, form: &SignInForm, from: IpAddr) -> Result<Opened, IdentityError> {
        let (email, password, device) = check(form)?;
        let found = match &email {
            Some(email) => self.inner.store.credentials(email).await?,
            None => None,
        };
        // What is no address has no account, and is counted like one that might have.
        let key = match &email {
            Some(email) => lockout::key(email),
            None => lockout::key(&Email::stored(form.email.trim().to_lowercase())),
        };
        let found = self.check_password(&key, found, &password, from).await?;
        let Credentials { account, password_hash } = found.ok_or(IdentityError::WrongCredentials)?;
        let proven = password_hash.ok_or(IdentityError::WrongCredentials)?;
        self.open_session(account, &proven, device, from).await
    }

    /// Compares a password under the lockout. `None` if it is wrong or there is no account.
    pub(super) async fn check_password(
        &self,
        key: &[u8; 32],
        mut found: Option<Credentials>,
        password: &Password,
        from: IpAddr,
    ) -> Result<Option<Credentials>, IdentityError> {
        let (store, clock) = (&self.inner.store, &self.inner.clock);
        let network = lockout::network(from);
        let refuse = |wait: Option<std::time::Duration>| match wait {
            Some(retry_after) => Err(IdentityError::TooManyAttempts { retry_after }),
            None => Ok(()),
        };
        refuse(store.failures(key, &network).await?.wait(clock.now()))?;
        let stored = found.as_ref().and_then(|found| found.password_hash.clone());
        let verdict = self.inner.passwords.verify(password, stored.as_deref()).await?;
        if verdict == Verdict::Wrong {
            store.count_failure(key, &network, clock.now(), lockout::WINDOW).await?;
            return Ok(None);
        }
        // Guesses that were sent all at once passed the first check together. Whichever of them is
        // right learns nothing if the others have locked the door meanwhile.
        refuse(store.failures(key, &network).await?.wait(clock.now()))?;
        store.note_success(key, &network, clock.now()).await?;
        if let (Verdict::RightButWeak, Some(found), Some(old)) = (verdict, &mut found, stored) {
            let new = self.inner.passwords.hash(password).await?;
            store.rehash(found.account.id, &old, &new).await?;
            found.password_hash = Some(new);
        }
        Ok(found)
    }

    async fn open_session(
        &self,
        account: Account,
        proven: &str,
        device: Option<String>,
        from: IpAddr,
    ) -> Result<Opened, IdentityError> {
        let token = Token::fresh(TokenKind::Session)?;
        let now = self.inner.clock.now();
        let session = Session {
            id: SessionId::new(),
            user_id: account.id,
            device,
            address: Some(from.to_canonical().to_string()),
            created_at: now,
            last_seen_at: now,
            expires_at: now + self.inner.settings.session_life,
        };
        if !self.inner.store.insert_session(&session, &token.hash(), proven).await? {
            // It was right when it was looked at; it is no more.
            return Err(IdentityError::WrongCredentials);
        }
        slog::info!(log(), "signed in"; "user_id" => %account.id, "session_id" => %session.id);
        Ok(Opened { token, session, account })
    }
}

/// The fields, as far as they can be wrong without telling anything: an address that is none is no
/// wrong field here, but an account that does not exist.
fn check(form: &SignInForm) -> Result<(Option<Email>, Password, Option<String>), IdentityError> {
    let mut wrong = Vec::new();
    if form.email.trim().is_empty() {
        wrong.push(FieldError::new("/email", "is missing"));
    }
    if form.email.len() > 4 * Email::MAX_BYTES {
        wrong.push(FieldError::new("/email", "is longer than 254 bytes"));
    }
    let password =
        Password::given(&form.password).map_err(|detail| wrong.push(FieldError::new("/password", detail)));
    let device = match form.device.as_deref().map(model::device).transpose() {
        Ok(device) => device.flatten(),
        Err(detail) => {
            wrong.push(FieldError::new("/device", detail));
            None
        }
    };
    match password {
        Ok(password) if wrong.is_empty() => Ok((Email::parse(&form.email).ok(), password, device)),
        _ => Err(IdentityError::Invalid(wrong)),
    }
}
