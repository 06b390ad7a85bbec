//! Whose publications somebody is not shown.
//!
//! A channel is one for all its members, and its offsets have no gap for anybody. Whoever has blocked
//! another person gets, at the same offset, what the publication says instead ([`Veiled`]); the shard
//! that serves the connection decides, and so does whoever reads the log for it.

use std::{collections::HashSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{log::Publication, protocol::json::Json};
use crate::principal::UserId;

/// Who has hidden whom. A context gives it to the hub ([`Hub::veil_by`](super::Hub::veil_by)) and, after
/// each change, names the person whose view changed ([`Hub::veil_changed`](super::Hub::veil_changed)).
pub trait Veils: Send + Sync + 'static {
    /// The people whose publications `user` is not shown; `None` where there are none. Must not block.
    fn hidden_from(&self, user: UserId) -> Option<Arc<HashSet<UserId>>>;

    /// Whom `user` has hidden, and who has hidden `user`; somebody may be named twice. Must not block.
    fn apart_from(&self, user: UserId) -> Vec<UserId>;
}

/// What those get who have hidden a publication's author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Veiled {
    /// The author.
    pub author: UserId,
    /// What goes out instead; nothing at all without it, which only a publication without an offset may.
    pub data: Option<Json>,
}

/// Publications as somebody is to see them who has hidden `hidden`.
pub(super) fn seen(publications: Vec<Publication>, hidden: Option<&HashSet<UserId>>) -> Vec<Publication> {
    let Some(hidden) = hidden else { return publications };
    let seen = publications.into_iter().map(|mut publication| {
        match publication.veiled.take().map(|veiled| *veiled) {
            Some(Veiled { author, data: Some(data) }) if hidden.contains(&author) => {
                Publication { data, info: None, tags: Vec::new(), ..publication }
            }
            _ => publication,
        }
    });
    seen.collect()
}
