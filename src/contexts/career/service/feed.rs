//! The feed: what the people do whom one follows, and what is about the skills.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::{
    contexts::career::{Career, CareerError, model::Visibility, store, views::FeedEntryView},
    principal::{Principal, UserId},
};

/// Entries read at once, at least: some of them may not be shown.
const READ: usize = 50;
/// Reads for one page, at most: past it, the page is short and goes on.
const READS: usize = 4;

impl Career {
    /// A page of the feed, the newest first. It may be short, or empty, and still go on: then there is a cursor.
    ///
    /// Only what everybody signed in may see is in it; of that, nothing by people whom the caller blocked or who
    /// blocked the caller, and nothing by people whose profile is private, or for connections that the caller is
    /// not one of.
    ///
    /// # Errors
    /// [`CareerError::Invalid`] for a foreign cursor; the stores'.
    pub async fn followed(
        &self,
        who: &Principal,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<FeedEntryView>, Option<String>), CareerError> {
        let list = format!("feed.{}", who.user_id);
        let mut before: Option<Uuid> = self.after(&list, cursor)?;
        let Some((stream, apart)) = self.inner.feed.get() else { return Ok((Vec::new(), None)) };
        // No connection is held while the stream takes one.
        let (people, skills) = store::portfolio::follows(&mut *self.conn().await?, who.user_id).await?;
        // What one did oneself is elsewhere.
        let mut not = apart.apart_from(who.user_id);
        not.push(who.user_id);
        let (mut items, mut more) = (Vec::new(), !(people.is_empty() && skills.is_empty()));
        let mut known: HashMap<UserId, bool> = HashMap::new();
        for _ in 0..READS {
            if !more || items.len() >= limit {
                break;
            }
            let most = READ.max(limit);
            let found = stream.followed(&people, &skills, &not, before, most + 1).await;
            let mut found = found.map_err(|error| CareerError::Elsewhere(error.into()))?;
            more = found.len() > most;
            found.truncate(most);
            let actors: HashSet<UserId> =
                found.iter().map(|entry| entry.actor_id).filter(|actor| !known.contains_key(actor)).collect();
            known.extend(shown(&mut *self.conn().await?, who.user_id, actors.into_iter().collect()).await?);
            for entry in found {
                if items.len() == limit {
                    more = true;
                    break;
                }
                before = Some(entry.id);
                if known.get(&entry.actor_id).copied().unwrap_or(false) {
                    let because = people.contains(&entry.actor_id);
                    items.push(FeedEntryView { followed_person: because, actor_name: String::new(), entry });
                }
            }
        }
        let names = self.names(items.iter().map(|item| item.entry.actor_id)).await?;
        for item in &mut items {
            item.actor_name = names.get(&item.entry.actor_id).cloned().unwrap_or_default();
        }
        // Who is erased has no name; the stream forgets them in a moment.
        items.retain(|item| !item.actor_name.is_empty());
        let next = before.filter(|_| more).map(|last| self.cursor(&list, last));
        Ok((items, next))
    }
}

/// Whether each of these is shown to `who`: by the visibility of their profile, if they ever wrote one.
async fn shown(
    conn: &mut diesel_async::AsyncPgConnection,
    who: UserId,
    actors: Vec<UserId>,
) -> Result<HashMap<UserId, bool>, CareerError> {
    let mut shown: HashMap<UserId, bool> = actors.iter().map(|actor| (*actor, true)).collect();
    for (actor, visibility) in store::portfolio::visibilities(conn, &actors).await? {
        let may = match visibility {
            Visibility::Public => true,
            Visibility::Private => false,
            Visibility::Connections => store::portfolio::connected(conn, who, actor).await?,
        };
        shown.insert(actor, may);
    }
    Ok(shown)
}
