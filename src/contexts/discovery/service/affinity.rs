//! How near what somebody looks for is to what mentors write, for careers' own matching.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::{
    contexts::{
        career::Affinity,
        discovery::{Discovery, Kind},
    },
    ports::attributes::Filter,
    principal::UserId,
    telemetry::log,
};

impl Affinity for Discovery {
    fn near<'a>(
        &'a self,
        seeker: UserId,
        goal: &'a str,
        mentors: &'a [UserId],
    ) -> BoxFuture<'a, HashMap<UserId, f64>> {
        Box::pin(async move {
            let ask = async {
                let own = if goal.trim().is_empty() { self.truth().seeker(seeker).await? } else { None };
                let text = own.map_or_else(|| goal.to_owned(), |own| own.text);
                let only: Vec<Uuid> = mentors.iter().map(|mentor| mentor.0).collect();
                let count = only.len();
                let filter = Filter { only_ids: Some(only), ..Filter::default() };
                self.by_meaning(Kind::Mentor, &text, &filter, count).await
            };
            match ask.await {
                Ok(near) => near
                    .hits
                    .into_iter()
                    .map(|hit| (UserId(hit.id), f64::from(hit.score).clamp(0.0, 1.0)))
                    .collect(),
                Err(error) => {
                    slog::debug!(log(), "mentors are matched without what they write"; "why" => %error);
                    HashMap::new()
                }
            }
        })
    }
}
