//! Argon2id (RFC 9106), off the async threads and bounded in number.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::Semaphore;

use super::{IdentityError, model::Password};

/// OWASP's second recommendation: 19 MiB, two passes, one lane. The first of equal strength needs
/// 46 MiB a sign-in.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// How long a password may wait for its turn. A turn takes some 20 ms, so this many seconds of
/// backlog means that somebody sends more than the machine can check.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Right,
    /// It is right, but hashed with weaker parameters than today's: hash it anew.
    RightButWeak,
    /// It is wrong, or there is none.
    Wrong,
}

/// Hashes and compares. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    patience: Duration,
    /// Compared with where there is no account, so that the answer takes as long.
    dummy: Arc<OnceLock<String>>,
}

impl Passwords {
    /// At most `concurrency` at once; 0 takes one per core.
    pub fn new(concurrency: usize) -> Self {
        let concurrency = match concurrency {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        Self { permits: Arc::new(Semaphore::new(concurrency)), patience: PATIENCE, dummy: Arc::default() }
    }

    /// The PHC string of a password with a fresh salt.
    ///
    /// # Errors
    /// [`IdentityError::Busy`] if its turn does not come in time.
    pub async fn hash(&self, password: &Password) -> Result<String, IdentityError> {
        let password = password.clone();
        self.run(move || hash(&password)).await?
    }

    /// Compares with a stored hash, or, in the same time, with none.
    ///
    /// # Errors
    /// [`IdentityError::Busy`] if its turn does not come in time.
    pub async fn verify(&self, password: &Password, stored: Option<&str>) -> Result<Verdict, IdentityError> {
        let (password, stored, dummy) = (password.clone(), stored.map(str::to_owned), self.dummy.clone());
        self.run(move || match stored {
            Some(stored) => verify(&password, &stored),
            None => {
                let dummy = match dummy.get() {
                    Some(dummy) => dummy,
                    None => {
                        let made = hash(&Password::given("nobody's").map_err(IdentityError::internal)?)?;
                        dummy.get_or_init(|| made)
                    }
                };
                verify(&password, dummy).map(|_| Verdict::Wrong)
            }
        })
        .await?
    }

    /// Makes the dummy ahead of the first stranger, who would otherwise wait twice as long.
    ///
    /// # Errors
    /// As [`Passwords::verify`].
    pub async fn warm_up(&self) -> Result<(), IdentityError> {
        let any = Password::given("any").map_err(IdentityError::internal)?;
        self.verify(&any, None).await.map(drop)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, IdentityError> {
        let turn = tokio::time::timeout(self.patience, self.permits.clone().acquire_owned()).await;
        let permit = turn.map_err(|_| IdentityError::Busy)?.map_err(IdentityError::internal)?;
        // The permit goes along: a caller who gives up must not let another one start beside it.
        let done = tokio::task::spawn_blocking(move || {
            let answer = work();
            drop(permit);
            answer
        });
        done.await.map_err(IdentityError::internal)
    }
}

fn argon2() -> Result<Argon2<'static>, IdentityError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(IdentityError::internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Password) -> Result<String, IdentityError> {
    let hash: PasswordHash = argon2()?.hash_password(password.as_bytes()).map_err(IdentityError::internal)?;
    Ok(hash.to_string())
}

fn verify(password: &Password, stored: &str) -> Result<Verdict, IdentityError> {
    let stored = PasswordHash::new(stored).map_err(IdentityError::internal)?;
    // Takes the parameters from the stored hash, not from ours.
    if argon2()?.verify_password(password.as_bytes(), &stored).is_err() {
        return Ok(Verdict::Wrong);
    }
    let current = stored.algorithm.as_str() == Algorithm::Argon2id.as_str()
        && Params::try_from(&stored)
            .is_ok_and(|p| p.m_cost() >= MEMORY_KIB && p.t_cost() >= PASSES && p.p_cost() >= LANES);
    Ok(if current { Verdict::Right } else { Verdict::RightButWeak })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::given(text).unwrap()
    }

    #[tokio::test]
    async fn the_right_one_and_no_other() {
        let passwords = Passwords::new(2);
        let hash = passwords.hash(&password("hunter22")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(&password("hunter22")).await.unwrap());
        let verdict = async |text, hash| passwords.verify(&password(text), hash).await.unwrap();
        assert_eq!(verdict("hunter22", Some(hash.as_str())).await, Verdict::Right);
        assert_eq!(verdict("hunter23", Some(hash.as_str())).await, Verdict::Wrong);
        assert_eq!(verdict("nobody's", None).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn weaker_parameters_are_noticed() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(1024, 1, 1, None).unwrap());
        let hash: PasswordHash = weak.hash_password(b"hunter22").unwrap();
        let verdict = Passwords::new(1).verify(&password("hunter22"), Some(&hash.to_string())).await;
        assert_eq!(verdict.unwrap(), Verdict::RightButWeak);
    }

    #[tokio::test]
    async fn past_the_bound_one_waits_and_then_is_sent_away() {
        let mut passwords = Passwords::new(1);
        passwords.patience = Duration::from_millis(20);
        let _all = passwords.permits.clone().acquire_owned().await.unwrap();
        assert!(matches!(passwords.hash(&password("hunter22")).await, Err(IdentityError::Busy)));
    }
}
