//! Lists of gigs: in the order of ids, newest first, which nothing changes. So a walk over a list that
//! changes shows no gig twice and skips none that stayed.

use super::{gigs::actors, keeps_order, one_more};
use crate::{
    contexts::gigs::{
        Gigs, GigsError,
        model::{BudgetKind, GigId, GigState},
        store::gigs::GigFilter,
        views::GigView,
    },
    money::Currency,
    principal::{Principal, UserId},
};

/// Which gigs.
#[derive(Clone, Debug, Default)]
pub struct GigQuery {
    /// Words of title or description.
    pub q: Option<String>,
    /// Slugs that it must all have.
    pub skills: Vec<String>,
    /// Pays at least so much, in minor units.
    pub budget_min: Option<i64>,
    /// Pays at most so much.
    pub budget_max: Option<i64>,
    /// In this currency.
    pub currency: Option<Currency>,
    /// Paid so.
    pub kind: Option<BudgetKind>,
    /// In this state; open ones by default, all of them among one's own.
    pub state: Option<GigState>,
    /// Of this client.
    pub owner: Option<UserId>,
    /// One's own.
    pub mine: bool,
}

impl Gigs {
    /// A page of gigs, newest first.
    ///
    /// # Errors
    /// [`GigsError::Invalid`] for a foreign cursor; [`GigsError::NotYours`] for drafts and removed gigs
    /// of others.
    pub async fn gigs(
        &self,
        who: &Principal,
        query: GigQuery,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<GigView>, Option<String>), GigsError> {
        let owner = if query.mine { Some(who.user_id) } else { query.owner };
        let own = owner == Some(who.user_id);
        let states = match query.state {
            Some(GigState::Draft) if !own => {
                return Err(GigsError::NotYours("drafts are seen by their client only"));
            }
            Some(GigState::Removed) if !own && !keeps_order(who) => {
                return Err(GigsError::NotYours("removed gigs are seen by moderators only"));
            }
            Some(state) => vec![state],
            None if own => GigState::ALL.to_vec(),
            None => vec![GigState::Open],
        };
        let before = self.after("gigs", cursor)?.map(GigId);
        let filter = GigFilter {
            q: query.q.map(|words| words.trim().to_owned()).filter(|words| !words.is_empty()),
            skills: query.skills,
            budget_min: query.budget_min,
            budget_max: query.budget_max,
            currency: query.currency.map(|currency| currency.code().to_owned()),
            kind: query.kind,
            states,
            owner,
            before,
        };
        let found = self.rows_of_list(filter, one_more(limit)).await?;
        let (found, next) = self.page("gigs", found, limit, |gig| gig.id.0);
        let view = |gig| {
            let actors = actors(who, &gig);
            GigView::of(gig, &actors)
        };
        Ok((found.into_iter().map(view).collect::<Result<_, _>>()?, next))
    }
}
