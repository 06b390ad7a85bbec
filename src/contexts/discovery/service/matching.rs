//! A gig was posted: the right students hear of it at once, once each.
//!
//! The work is a row that the event's transaction wrote. Who is told, that they were, and the event that tells them
//! commit in one transaction which also takes the row away: a crash before it leaves the work, one after it leaves
//! nothing to do twice. The event becomes a notification, which `user:<id>` keeps for who is away.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration,
};

use diesel_async::AsyncConnection;
use serde_json::json;
use uuid::Uuid;

use crate::{
    contexts::discovery::{
        Discovery, DiscoveryError, Kind, Source,
        consumers::DOCUMENTS,
        events::{CONTEXT, MATCH_FOUND},
        model::{
            features::Features,
            fusion::{Ranked, fuse},
            reasons::{TaughtIn, To, of_skills},
            skills::Overlap,
        },
        service::indexing::words_of,
        store::{self, matches::Matching},
    },
    error::Fault,
    events::{self, NewEvent, record},
    ports::attributes::Filter,
    principal::UserId,
    telemetry::{
        correlation::{self, CorrelationId},
        log,
    },
};

/// Gigs taken at once.
const BATCH: i64 = 8;
/// Between two looks when nothing wakes the worker.
const LOOK: Duration = Duration::from_secs(1);
/// The longest pause between two attempts, in seconds.
const MOST: i64 = 300;
/// People looked at.
const ABLE: i64 = 500;
/// People whose profiles are read before anybody is told, since the indexer has not come to them.
const LATE: i64 = 500;
/// Near enough to be told without a skill to go by.
const NEAR: f32 = 0.6;

/// Somebody to tell.
struct Told {
    user: Uuid,
    score: f64,
    reasons: Vec<String>,
}

impl Discovery {
    /// Tells people of gigs that fit them, until the task is dropped; several may run, here and on other nodes.
    pub async fn run_matching(self) {
        loop {
            match self.match_due().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(LOOK, self.inner.matching.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    slog::warn!(log(), "gigs to tell people of cannot be read"; "error" => %error);
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
    }

    /// Tells people of the gigs that are due, once over; how many gigs there were.
    ///
    /// # Errors
    /// When they cannot be read. A gig that fails is put off, and told in the log.
    pub async fn match_due(&self) -> Result<usize, DiscoveryError> {
        let due = store::matches::lease(&mut *self.conn().await?, self.now(), BATCH).await?;
        let mut caught_up = false;
        for one in &due {
            let id = CorrelationId::parse(&one.correlation_id).unwrap_or_else(CorrelationId::fresh);
            let told = async {
                // All of them were posted before this: once is enough.
                if !caught_up {
                    self.catch_up().await?;
                    caught_up = true;
                }
                self.tell_of(one).await
            };
            if let Err(error) = correlation::scope(id, told).await {
                let pause = (1_i64 << one.attempts.clamp(0, 10)).min(MOST);
                slog::warn!(log(), "people could not be told of a gig; it is put off"; "gig" => %one.gig_id,
                    "attempts" => one.attempts, "why" => error.kind().slug(), "error" => %error);
                let until = self.now() + chrono::Duration::seconds(pause);
                let said = error.to_string();
                store::matches::put_off(&mut *self.conn().await?, one.gig_id, until, &said).await?;
            }
        }
        Ok(due.len())
    }

    async fn tell_of(&self, one: &Matching) -> Result<(), DiscoveryError> {
        let gig = self.truth().load(Kind::Gig, vec![one.gig_id]).await?.pop();
        let told = match &gig {
            Some(gig) => self.fitting(gig).await?,
            // Withdrawn in the meantime.
            None => Vec::new(),
        };
        let title = gig.map(|gig| gig.title).unwrap_or_default();
        let now = self.now();
        let version = self.weights().version;
        let (told, title) = (&told, &title);
        let mut conn = self.conn().await?;
        let count = (*conn)
            .transaction(async |conn| {
                let mut count = 0_u64;
                for Told { user, score, reasons } in told {
                    if !store::matches::tell(conn, one.gig_id, *user, *score, now).await? {
                        continue;
                    }
                    let data = json!({
                        "user_id": user, "gig_id": one.gig_id, "gig_title": title, "score": score,
                        "reason": reasons.first(), "reasons": reasons, "weights_version": version,
                    });
                    // Of the person, so that one who is slow to be told keeps nobody else waiting.
                    let event = NewEvent {
                        subject: MATCH_FOUND,
                        context: CONTEXT,
                        aggregate: user.to_string(),
                        version: 1,
                        data,
                    };
                    record(conn, event).await?;
                    count += 1;
                }
                store::matches::done(conn, one.gig_id).await?;
                Ok::<_, DiscoveryError>(count)
            })
            .await?;
        self.parts().metrics.matches.inc_by(count);
        Ok(())
    }

    /// What people can do follows their profiles in a moment; but who said it before the gig was posted is told of
    /// it, however far the indexer is, and whatever crashed on the way there.
    async fn catch_up(&self) -> Result<(), DiscoveryError> {
        let mut late: BTreeMap<Uuid, i64> = BTreeMap::new();
        {
            let mut conn = self.conn().await?;
            let unheard = events::unheard(&mut conn, DOCUMENTS, "profile.updated", LATE).await?;
            let ids: Vec<Uuid> = unheard.iter().filter_map(|id| id.parse().ok()).collect();
            late.extend(ids.iter().map(|id| (*id, 0)));
            late.extend(store::documents::stamps(&mut conn, Kind::Person, &ids).await?);
            late.extend(store::documents::behind(&mut conn, Kind::Person, LATE).await?);
        }
        for (user, stamp) in late {
            self.keep_seeker(user, stamp).await?;
        }
        Ok(())
    }

    /// Who is to be told of a gig, in the order of their ids.
    async fn fitting(&self, gig: &Source) -> Result<Vec<Told>, DiscoveryError> {
        let wanted = &gig.attributes.skills;
        let able = if wanted.is_empty() {
            Vec::new()
        } else {
            store::seekers::able(&mut *self.conn().await?, wanted, ABLE).await?
        };
        let mut skills: HashMap<Uuid, Vec<String>> =
            able.iter().map(|one| (one.user_id, one.skills.clone())).collect();
        let by_skills: Vec<Uuid> = able.iter().map(|one| one.user_id).collect();
        let filter = Filter { open_only: true, ..Filter::default() };
        let near = self.by_meaning(Kind::Person, &words_of(gig), &filter, 200).await?;
        let strangers: Vec<Uuid> = near.ids().into_iter().filter(|id| !skills.contains_key(id)).collect();
        for person in self.truth().load(Kind::Person, strangers).await? {
            skills.insert(person.id, person.attributes.skills);
        }
        let alike: HashMap<Uuid, f32> = near.hits.iter().map(|hit| (hit.id, hit.score)).collect();
        let near = near.ids();
        let weights = self.weights();
        let fused = fuse(
            &[
                Ranked { ids: &by_skills, weight: weights.fusion.skills },
                Ranked { ids: &near, weight: weights.fusion.vectors },
            ],
            weights.fusion.k,
        );
        let applied: HashSet<Uuid> = self.truth().applicants(gig.id).await?.into_iter().collect();
        let taught = self.taught(wanted).await?;
        let taxonomy = self.taxonomy().await?;
        let mut told = Vec::new();
        for (user, fused) in fused {
            let Some(has) = skills.get(&user) else { continue };
            let overlap = Overlap::of(wanted, has);
            let alike = alike.get(&user).copied().unwrap_or(0.0);
            let fits = if wanted.is_empty() { alike >= NEAR } else { overlap.share() >= weights.push.skills };
            let own = gig.owner() == Some(UserId(user));
            let apart = gig.owner().is_some_and(|owner| self.apart(UserId(user), owner));
            if !fits || own || apart || applied.contains(&user) {
                continue;
            }
            let features =
                Features { fused, skills: overlap.share(), recency: 1.0, budget: 0.5, ..Features::default() };
            let mut reasons: Vec<String> =
                of_skills(&overlap, &taxonomy, &taught, To::Themselves).into_iter().collect();
            if alike >= NEAR {
                reasons.push("It is about what you write of yourself".to_owned());
            }
            told.push(Told { user, score: features.score(&weights.gigs), reasons });
        }
        told.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.user.cmp(&b.user)));
        told.truncate(weights.push.people);
        told.sort_by_key(|one| one.user);
        Ok(told)
    }

    /// For each of these skills the course that teaches most of them, if any teaches it.
    pub(super) async fn taught(&self, skills: &[String]) -> Result<Vec<TaughtIn>, DiscoveryError> {
        if skills.is_empty() {
            return Ok(Vec::new());
        }
        let courses = store::documents::teaching(&mut *self.conn().await?, skills).await?;
        let mut best: BTreeMap<String, TaughtIn> = BTreeMap::new();
        let wanted: BTreeSet<&String> = skills.iter().collect();
        for (course_id, title, teaches) in courses {
            for skill in teaches.into_iter().filter(|skill| wanted.contains(skill)) {
                let title = title.clone();
                best.entry(skill.clone()).or_insert(TaughtIn { skill, course_id, title });
            }
        }
        Ok(best.into_values().collect())
    }
}
