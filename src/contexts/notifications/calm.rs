//! Who is not to be disturbed.

use std::collections::HashSet;

use futures_util::future::BoxFuture;

use super::error::NotificationsError;
use crate::{contexts::chat::Chat, principal::UserId};

/// Who is not to be disturbed at the moment. [`Chat`] is one: it knows what sessions say of themselves.
pub trait Calm: Send + Sync {
    /// Those of `users` to whom nothing is to be pushed now.
    fn undisturbed(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashSet<UserId>, NotificationsError>>;
}

impl Calm for Chat {
    fn undisturbed(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<HashSet<UserId>, NotificationsError>> {
        Box::pin(async move {
            let found = Chat::undisturbed(self, &users).await;
            found.map_err(|error| NotificationsError::People(error.into()))
        })
    }
}
