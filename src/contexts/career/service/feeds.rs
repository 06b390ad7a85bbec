//! One's own calendar to subscribe to: whoever has its address reads it, until it is revoked.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::invites::said;
use crate::{
    contexts::career::{
        Career, CareerError,
        model::ics::{self, Method},
        store,
        views::FeedView,
    },
    principal::Principal,
};

/// How far back it reaches.
const BACK: chrono::Duration = chrono::Duration::days(60);
/// The most events that it has.
const MOST: i64 = 1_000;
/// What an address's secret begins with.
const PREFIX: &str = "gc_";

impl Career {
    /// Makes one's calendar, or gives it a new address; the old one ends.
    ///
    /// # Errors
    /// The database's, or when there is no randomness.
    pub async fn make_feed(&self, who: &Principal) -> Result<FeedView, CareerError> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| CareerError::Elsewhere(error.to_string().into()))?;
        let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        let now = self.now();
        store::feeds::set(&mut *self.conn().await?, who.user_id, &hash(&secret), now).await?;
        Ok(FeedView { created_at: now, url: Some(format!("{}/calendar/{secret}", self.parts().public_url)) })
    }

    /// Whether one has a calendar to subscribe to.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn feed(&self, who: &Principal) -> Result<FeedView, CareerError> {
        let found = store::feeds::of_person(&mut *self.conn().await?, who.user_id).await?;
        found
            .map(|feed| FeedView { created_at: feed.created_at, url: None })
            .ok_or(CareerError::No("calendar feed"))
    }

    /// Ends one's calendar: its address leads nowhere from now on.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn revoke_feed(&self, who: &Principal) -> Result<(), CareerError> {
        match store::feeds::revoke(&mut *self.conn().await?, who.user_id).await? {
            true => Ok(()),
            false => Err(CareerError::No("calendar feed")),
        }
    }

    /// The calendar behind an address.
    ///
    /// # Errors
    /// [`CareerError::No`].
    pub async fn subscribed(&self, secret: &str) -> Result<String, CareerError> {
        let secret = secret.strip_suffix(".ics").unwrap_or(secret);
        let none = || CareerError::No("calendar feed");
        if !secret.starts_with(PREFIX) || secret.len() > 100 {
            return Err(none());
        }
        let mut conn = self.conn().await?;
        // Found by the hash: how long it takes says nothing about the secret.
        let feed = store::feeds::by_secret(&mut conn, &hash(secret)).await?.ok_or_else(none)?;
        let since = self.now() - BACK;
        let bookings = store::bookings::published(&mut conn, feed.user_id, since, MOST).await?;
        drop(conn);
        let names = self.names(bookings.iter().flat_map(|one| [one.mentor_id, one.seeker_id])).await?;
        let name = |id| names.get(&id).cloned().unwrap_or_default();
        let entry = |booking: &crate::contexts::career::model::Booking| {
            let pair = (name(booking.mentor_id), name(booking.seeker_id));
            self.entry(booking, said(booking), feed.user_id, &pair)
        };
        let entries: Vec<_> = bookings.iter().map(entry).collect();
        Ok(ics::calendar(Method::Publish, Some("Gigsy"), &entries))
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
