//! What somebody may be about to type.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::{flat, retrieval::NO_TEXT};
use crate::{
    contexts::discovery::{
        Discovery, DiscoveryError, Kind, SuggestionsView, forms::LONGEST, views::SuggestionView,
    },
    principal::{Principal, UserId},
};

impl Discovery {
    /// Suggestions for what was typed so far, of one kind or all. An index that is away suggests nothing.
    ///
    /// # Errors
    /// The database's or the truth's; [`DiscoveryError::TooMany`].
    pub async fn suggest(
        &self,
        who: &Principal,
        q: &str,
        kind: Option<Kind>,
        limit: usize,
    ) -> Result<SuggestionsView, DiscoveryError> {
        let _timer = self.parts().metrics.seconds.with_label_values(&["suggest"]).start_timer();
        let _under_way = self.begin(who.user_id).await?;
        let typed: String = q.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let typed = typed.trim_start();
        let mut items: Vec<SuggestionView> = Vec::new();
        if typed.is_empty() {
            return Ok(SuggestionsView { items, without: Vec::new() });
        }
        for (slug, name) in self.taxonomy().await?.beginning(typed).into_iter().take(3) {
            if kind.is_none_or(|kind| kind == Kind::Gig) && !slug.is_empty() {
                items.push(SuggestionView { text: name, kind: Kind::Gig });
            }
        }
        let kinds: Vec<Kind> = kind.map_or_else(|| Kind::ALL.to_vec(), |kind| vec![kind]);
        let ask = |kind: Kind| async move {
            let answer = async {
                let _turn = self.turn().await?;
                Ok::<_, DiscoveryError>(self.parts().text.suggest(kind.index(), typed, limit).await?)
            };
            (kind, answer.await)
        };
        let answers = join_all(kinds.into_iter().map(ask)).await;
        let (mut lists, mut without) = (Vec::new(), Vec::new());
        for (kind, answer) in answers {
            match answer {
                Ok(texts) => lists.push((kind, texts)),
                Err(error) => {
                    self.without("suggestions", &error, error.is_transient());
                    without = vec![NO_TEXT];
                }
            }
        }
        // In turn, so that no kind fills the list.
        let longest = lists.iter().map(|(_, texts)| texts.len()).max().unwrap_or_default();
        for n in 0..longest {
            for (kind, texts) in &lists {
                items.extend(texts.get(n).map(|text| SuggestionView { text: text.clone(), kind: *kind }));
            }
        }
        self.leave_out_names(who.user_id, &mut items).await?;
        let mut seen = HashSet::new();
        items.retain(|item| seen.insert(item.text.to_lowercase()));
        items.truncate(limit);
        Ok(SuggestionsView { items, without })
    }

    /// Leaves out the names of whoever blocked somebody and of whom they blocked. An index suggests phrases and
    /// does not say whose they are, so a namesake goes too.
    async fn leave_out_names(
        &self,
        who: UserId,
        items: &mut Vec<SuggestionView>,
    ) -> Result<(), DiscoveryError> {
        let mut kinds: Vec<Kind> =
            items.iter().map(|item| item.kind).filter(|kind| kind.is_somebody()).collect();
        let apart = self.apart_from(who);
        if kinds.is_empty() || apart.is_empty() {
            return Ok(());
        }
        kinds.sort_unstable();
        kinds.dedup();
        let mut names = HashSet::new();
        for kind in kinds {
            let people = self.truth().load(kind, apart.clone()).await?;
            names.extend(people.iter().map(|person| flat(&person.title).to_lowercase()));
        }
        items.retain(|item| !item.kind.is_somebody() || !names.contains(&flat(&item.text).to_lowercase()));
        Ok(())
    }
}
