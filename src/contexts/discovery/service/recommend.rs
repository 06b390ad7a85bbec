//! What fits somebody, and why: gigs for a student, students for a gig, courses for a gap, mentors for a goal.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    indexing::words_of,
    retrieval::{CANDIDATES, NO_TEXT},
};
use crate::{
    contexts::discovery::{
        Discovery, DiscoveryError, Kind, ResultView, Seeker, Source,
        model::{
            diversity::{cosine, diverse, jaccard},
            features::{Features, budget_fit, popularity, recency, reputation},
            fusion::{Ranked, fuse},
            reasons::{TaughtIn, To, list, of_skills},
            skills::{Overlap, Taxonomy},
            weights::Parts,
        },
        views::RecommendationsView,
    },
    ports::{attributes::Filter, text::Query},
    principal::{Principal, UserId},
};

/// So many are kept of what was worked out.
const KEPT: usize = 100;
/// So many are compared with each other.
const COMPARED: usize = 50;
/// Gigs whose missing skills are a gap.
const GIGS_OF_GAP: usize = 20;

/// What somebody wants to learn.
#[derive(Clone, Debug, Default)]
pub struct Gap {
    /// Skills, by slug.
    pub skills: Vec<String>,
    /// What this gig asks for and they lack.
    pub gig: Option<Uuid>,
}

/// What somebody wants a mentor for.
#[derive(Clone, Debug, Default)]
pub struct Goal {
    /// In their own words.
    pub text: String,
    /// Skills, by slug.
    pub skills: Vec<String>,
}

/// A recommendation before it is shown.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pick {
    id: Uuid,
    score: f64,
    reasons: Vec<String>,
    taught_in: Vec<TaughtIn>,
}

/// What a recommendation starts from.
struct Start<'a> {
    kind: Kind,
    /// Who is asked for.
    who: UserId,
    /// Skills that speak for a result.
    skills: &'a [String],
    /// What results are to be about.
    text: &'a str,
    /// Whether the words of that count too: somebody typed them.
    words: bool,
    /// What is demanded.
    filter: Filter,
    /// How the parts of the score count.
    parts: &'a Parts,
    /// Whether what is new has a list of its own.
    newest: bool,
}

/// A result with everything that its score and its reasons are made of.
struct Weighed {
    source: Source,
    features: Features,
    /// By meaning, the nearest ones.
    near: bool,
    overlap: Overlap,
}

impl Discovery {
    /// Open gigs for a student.
    ///
    /// # Errors
    /// When nobody can say what there is.
    pub async fn gigs_for(
        &self,
        who: &Principal,
        limit: usize,
    ) -> Result<RecommendationsView, DiscoveryError> {
        let _timer = self.parts().metrics.seconds.with_label_values(&["gigs"]).start_timer();
        let me = who.user_id;
        let _under_way = self.begin(me).await?;
        let picks =
            self.cached(me, Kind::Gig, "gigs", move |this| async move { this.pick_gigs(me).await }).await?;
        self.shown(me, Kind::Gig, picks, limit).await
    }

    async fn pick_gigs(&self, me: UserId) -> Result<Vec<Pick>, DiscoveryError> {
        let seeker = self.truth().seeker(me).await?.unwrap_or_default();
        let taxonomy = self.taxonomy().await?;
        let text = about(&seeker, &taxonomy);
        let mut filter = self.allowed(me, Kind::Gig).await?;
        filter.not_owners.push(me.0);
        let start = Start {
            kind: Kind::Gig,
            who: me,
            skills: &seeker.skills,
            text: &text,
            words: false,
            filter,
            parts: &self.weights().gigs,
            newest: true,
        };
        let mut weighed =
            self.candidates(&start, |source| Overlap::of(&source.attributes.skills, &seeker.skills)).await?;
        for one in &mut weighed {
            one.features.budget = fits_rate(&one.source, &seeker);
        }
        let missing: HashSet<String> =
            weighed.iter().flat_map(|one| one.overlap.missing.iter().cloned()).collect();
        let taught = self.taught(&missing.into_iter().collect::<Vec<_>>()).await?;
        let cold = seeker.skills.is_empty() && seeker.text.trim().is_empty();
        self.best(&start, weighed, |one| {
            let mut reasons: Vec<String> =
                of_skills(&one.overlap, &taxonomy, &taught, To::Themselves).into_iter().collect();
            if one.near && !cold {
                reasons.push("It is about what you write of yourself".to_owned());
            }
            if one.features.budget >= 1.0 && seeker.rate.is_some() {
                reasons.push("It pays what you ask for".to_owned());
            }
            if one.features.recency > 0.9 {
                reasons.push("It is new".to_owned());
            }
            if cold {
                reasons.push("Write down what you can do, and these will fit you better".to_owned());
            }
            let lacks = taught.iter().filter(|course| one.overlap.missing.contains(&course.skill));
            (reasons, lacks.cloned().collect())
        })
        .await
    }

    /// People with a public profile for an open gig; its client's only.
    ///
    /// # Errors
    /// [`DiscoveryError::No`] for a gig that is not open; [`DiscoveryError::NotYours`].
    pub async fn students_for(
        &self,
        who: &Principal,
        gig: Uuid,
        limit: usize,
    ) -> Result<RecommendationsView, DiscoveryError> {
        let _timer = self.parts().metrics.seconds.with_label_values(&["students"]).start_timer();
        let me = who.user_id;
        let _under_way = self.begin(me).await?;
        // Asked each time: what is cached is not for whoever names the gig.
        let gig =
            self.truth().load(Kind::Gig, vec![gig]).await?.pop().ok_or(DiscoveryError::No("open gig"))?;
        if gig.owner() != Some(me) {
            return Err(DiscoveryError::NotYours("only its client is told who fits a gig"));
        }
        let key = format!("students {}", gig.id);
        let pick = move |this: Self| async move { this.pick_students(me, &gig).await };
        let picks = self.cached(me, Kind::Person, &key, pick).await?;
        self.shown(me, Kind::Person, picks, limit).await
    }

    async fn pick_students(&self, me: UserId, gig: &Source) -> Result<Vec<Pick>, DiscoveryError> {
        let wanted = &gig.attributes.skills;
        let mut filter = self.allowed(me, Kind::Person).await?;
        filter.open_only = true;
        filter.not_ids.extend(self.truth().applicants(gig.id).await?);
        filter.not_ids.push(me.0);
        let text = words_of(gig);
        let start = Start {
            kind: Kind::Person,
            who: me,
            skills: wanted,
            text: &text,
            words: false,
            filter,
            parts: &self.weights().students,
            newest: false,
        };
        let mut weighed =
            self.candidates(&start, |source| Overlap::of(wanted, &source.attributes.skills)).await?;
        let hourly = gig.attributes.tags.iter().any(|tag| tag == "hourly");
        for one in &mut weighed {
            let same = gig
                .price
                .zip(one.source.price)
                .filter(|(pays, asks)| hourly && pays.currency == asks.currency);
            one.features.budget =
                budget_fit(same.map(|(pays, _)| pays.amount_minor), same.map(|(_, asks)| asks.amount_minor));
        }
        let taxonomy = self.taxonomy().await?;
        self.best(&start, weighed, |one| {
            let mut reasons: Vec<String> =
                of_skills(&one.overlap, &taxonomy, &[], To::Another).into_iter().collect();
            if one.near {
                reasons.push("They write about what the gig is about".to_owned());
            }
            if let Some(milli) = one.source.attributes.rating_milli.filter(|milli| *milli >= 4_000) {
                reasons.push(format!("Rated {}.{} of 5", milli / 1_000, milli % 1_000 / 100));
            }
            if one.source.attributes.tags.iter().any(|tag| tag == "open") {
                reasons.push("Looks for work now".to_owned());
            }
            (reasons, Vec::new())
        })
        .await
    }

    /// Courses that teach what somebody lacks: what they name, what a gig asks for, or else what the gigs that fit
    /// them ask for.
    ///
    /// # Errors
    /// [`DiscoveryError::No`] for a gig that is not open.
    pub async fn courses_for(
        &self,
        who: &Principal,
        gap: &Gap,
        limit: usize,
    ) -> Result<RecommendationsView, DiscoveryError> {
        let _timer = self.parts().metrics.seconds.with_label_values(&["courses"]).start_timer();
        let me = who.user_id;
        let _under_way = self.begin(me).await?;
        let gap = gap.clone();
        let key = format!("courses {:?} {:?}", gap.skills, gap.gig);
        let pick = move |this: Self| async move { this.pick_courses(me, &gap).await };
        let picks = self.cached(me, Kind::Course, &key, pick).await?;
        self.shown(me, Kind::Course, picks, limit).await
    }

    async fn pick_courses(&self, me: UserId, gap: &Gap) -> Result<Vec<Pick>, DiscoveryError> {
        let taxonomy = self.taxonomy().await?;
        let seeker = self.truth().seeker(me).await?.unwrap_or_default();
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        let mut why = "you asked for";
        if let Some(gig) = gap.gig {
            let gig =
                self.truth().load(Kind::Gig, vec![gig]).await?.pop().ok_or(DiscoveryError::No("open gig"))?;
            why = "the gig asks for and you lack";
            asked.extend(
                Overlap::of(&gig.attributes.skills, &seeker.skills).missing.into_iter().map(|one| (one, 1)),
            );
        }
        asked.extend(gap.skills.iter().filter_map(|one| Some((taxonomy.slug(one)?.to_owned(), 1))));
        if asked.is_empty() && gap.gig.is_none() && gap.skills.is_empty() {
            why = "gigs that fit you ask for and you lack";
            let gigs = self.pick_gigs(me).await?;
            let ids = gigs.iter().take(GIGS_OF_GAP).map(|pick| pick.id).collect();
            for gig in self.truth().load(Kind::Gig, ids).await? {
                for skill in Overlap::of(&gig.attributes.skills, &seeker.skills).missing {
                    *asked.entry(skill).or_default() += 1;
                }
            }
        }
        let wanted: Vec<String> = asked.keys().cloned().collect();
        let text =
            if wanted.is_empty() { about(&seeker, &taxonomy) } else { taxonomy.names(&wanted).join(", ") };
        let mut filter = self.allowed(me, Kind::Course).await?;
        filter.not_owners.push(me.0);
        let start = Start {
            kind: Kind::Course,
            who: me,
            skills: &wanted,
            text: &text,
            words: false,
            filter,
            parts: &self.weights().courses,
            newest: wanted.is_empty(),
        };
        let weighed =
            self.candidates(&start, |source| Overlap::of(&wanted, &source.attributes.skills)).await?;
        self.best(&start, weighed, |one| {
            let mut reasons = Vec::new();
            if !one.overlap.have.is_empty() {
                reasons.push(format!("Teaches {}, which {why}", list(&taxonomy.names(&one.overlap.have))));
            }
            let gigs =
                one.overlap.have.iter().filter_map(|skill| asked.get(skill)).max().copied().unwrap_or(0);
            if gigs > 1 {
                reasons.push(format!("{gigs} of the gigs that fit you ask for it"));
            }
            if one.near {
                reasons.push(
                    if wanted.is_empty() {
                        "It is about what you write of yourself"
                    } else {
                        "It is about that"
                    }
                    .to_owned(),
                );
            }
            (reasons, Vec::new())
        })
        .await
    }

    /// Mentors for a goal; without one, for what somebody writes of themselves.
    ///
    /// # Errors
    /// When nobody can say who there is.
    pub async fn mentors_for(
        &self,
        who: &Principal,
        goal: &Goal,
        limit: usize,
    ) -> Result<RecommendationsView, DiscoveryError> {
        let _timer = self.parts().metrics.seconds.with_label_values(&["mentors"]).start_timer();
        let me = who.user_id;
        let _under_way = self.begin(me).await?;
        let goal = goal.clone();
        let key = format!("mentors {:?} {:?}", goal.skills, goal.text);
        let pick = move |this: Self| async move { this.pick_mentors(me, &goal).await };
        let picks = self.cached(me, Kind::Mentor, &key, pick).await?;
        self.shown(me, Kind::Mentor, picks, limit).await
    }

    async fn pick_mentors(&self, me: UserId, goal: &Goal) -> Result<Vec<Pick>, DiscoveryError> {
        let taxonomy = self.taxonomy().await?;
        let seeker = self.truth().seeker(me).await?.unwrap_or_default();
        let mut wanted: Vec<String> =
            goal.skills.iter().filter_map(|one| Some(taxonomy.slug(one)?.to_owned())).collect();
        wanted.extend(taxonomy.named_in(&goal.text));
        if wanted.is_empty() && goal.text.is_empty() {
            wanted.clone_from(&seeker.skills);
        }
        wanted.sort();
        wanted.dedup();
        let text = match (goal.text.is_empty(), wanted.is_empty()) {
            (false, _) => goal.text.clone(),
            (true, false) => taxonomy.names(&wanted).join(", "),
            (true, true) => about(&seeker, &taxonomy),
        };
        let mut filter = self.allowed(me, Kind::Mentor).await?;
        filter.not_ids.push(me.0);
        let start = Start {
            kind: Kind::Mentor,
            who: me,
            skills: &wanted,
            text: &text,
            words: !goal.text.is_empty(),
            filter,
            parts: &self.weights().mentors,
            newest: goal.text.is_empty(),
        };
        let weighed =
            self.candidates(&start, |source| Overlap::of(&wanted, &source.attributes.skills)).await?;
        self.best(&start, weighed, |one| {
            let mut reasons = Vec::new();
            if !one.overlap.have.is_empty() {
                reasons.push(format!("Knows {}", list(&taxonomy.names(&one.overlap.have))));
            }
            if one.near && !text.is_empty() {
                reasons.push("Writes about what you look for".to_owned());
            }
            let spoken = one.source.attributes.languages.iter().find(|tag| seeker.languages.contains(tag));
            reasons.extend(spoken.map(|tag| format!("Speaks {tag} as you do")));
            if let Some(milli) = one.source.attributes.rating_milli.filter(|milli| *milli >= 4_000) {
                reasons.push(format!("Rated {}.{} of 5", milli / 1_000, milli % 1_000 / 100));
            }
            (reasons, Vec::new())
        })
        .await
    }

    /// What somebody has already or dismissed is not asked for, nor what is of those they are apart from.
    async fn allowed(&self, me: UserId, kind: Kind) -> Result<Filter, DiscoveryError> {
        let mut not_ids = self.truth().taken(me, kind).await?;
        not_ids.extend(self.dismissed(me, kind).await?);
        Ok(Filter { not_ids, not_owners: self.apart_from(me), ..Filter::default() })
    }

    /// Asks every list and reads what they name.
    async fn candidates(
        &self,
        start: &Start<'_>,
        overlap: impl Fn(&Source) -> Overlap,
    ) -> Result<Vec<Weighed>, DiscoveryError> {
        let skilled = async {
            if start.skills.is_empty() {
                return Ok(Vec::new());
            }
            let filter = Filter { any_skills: start.skills.to_vec(), ..start.filter.clone() };
            self.by_filter(start.kind, filter, CANDIDATES).await
        };
        let newest = async {
            if start.newest {
                self.by_filter(start.kind, start.filter.clone(), CANDIDATES / 2).await
            } else {
                Ok(Vec::new())
            }
        };
        let named = async {
            if !start.words {
                return Ok::<Vec<Uuid>, DiscoveryError>(Vec::new());
            }
            let (text, filter) = (start.text.to_owned(), start.filter.clone());
            let query = Query { text, filter, limit: CANDIDATES, ..Query::default() };
            match self.by_words(start.kind, &query).await {
                Ok(found) => Ok(found.hits.into_iter().map(|hit| hit.id).collect()),
                Err(error) => {
                    self.without(NO_TEXT, &error, error.is_transient());
                    Ok(Vec::new())
                }
            }
        };
        let near = self.by_meaning(start.kind, start.text, &start.filter, CANDIDATES);
        let (skilled, newest, named, near) =
            futures_util::future::try_join4(skilled, newest, named, near).await?;
        let near = near.ids();
        let all: HashSet<Uuid> = skilled.iter().chain(&newest).chain(&named).chain(&near).copied().collect();
        let ids: Vec<Uuid> = all.into_iter().collect();
        let mut sources = self.confirmed(start.who, start.kind, ids.clone()).await?;
        // An index may be behind: what was excluded stays so.
        sources.retain(|id, source| start.filter.accepts(*id, &source.attributes));
        let popular =
            if sources.is_empty() { HashMap::new() } else { self.popular(start.kind, &ids).await? };
        let overlaps: HashMap<Uuid, Overlap> =
            sources.iter().map(|(id, source)| (*id, overlap(source))).collect();
        // The index finds any of the skills; the best have the most of them.
        let share = |id: &Uuid| overlaps.get(id).map_or(0.0, Overlap::share);
        let mut skilled = skilled;
        skilled.sort_by(|a, b| share(b).total_cmp(&share(a)));
        let weights = self.weights();
        let fused = fuse(
            &[
                Ranked { ids: &skilled, weight: weights.fusion.skills },
                Ranked { ids: &near, weight: weights.fusion.vectors },
                Ranked { ids: &named, weight: weights.fusion.text },
                Ranked { ids: &newest, weight: weights.fusion.newest },
            ],
            weights.fusion.k,
        );
        let (now, decay) = (self.now(), weights.decay.half_life_days);
        // Said of the nearest only: the hundredth is about something else.
        let near: HashSet<Uuid> = near.into_iter().take(20).collect();
        let mut all = Vec::with_capacity(sources.len());
        for (id, fused) in fused {
            let Some(source) = sources.remove(&id) else { continue };
            let overlap = overlaps.get(&id).cloned().unwrap_or_default();
            let features = Features {
                fused,
                skills: overlap.share(),
                recency: recency(source.fresh_at(), now, decay),
                budget: 0.5,
                reputation: reputation(source.attributes.rating_milli),
                availability: if source.available { 1.0 } else { 0.0 },
                popularity: popularity(popular.get(&id).copied().unwrap_or(0)),
            };
            all.push(Weighed { near: near.contains(&id), source, features, overlap });
        }
        Ok(all)
    }

    /// The best of them, no two too much alike, with their reasons. What nothing speaks for is left out.
    async fn best(
        &self,
        start: &Start<'_>,
        weighed: Vec<Weighed>,
        reasons: impl Fn(&Weighed) -> (Vec<String>, Vec<TaughtIn>),
    ) -> Result<Vec<Pick>, DiscoveryError> {
        let mut scored: Vec<(f64, Weighed)> =
            weighed.into_iter().map(|one| (one.features.score(start.parts), one)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.source.id.cmp(&b.1.source.id)));
        scored.truncate(KEPT);
        let rest = scored.split_off(scored.len().min(COMPARED));
        let ids: Vec<Uuid> = scored.iter().map(|(_, one)| one.source.id).collect();
        let vectors = self.vectors_of(start.kind, &ids).await;
        let alike = |a: usize, b: usize| {
            let (a, b) = (&scored[a].1.source, &scored[b].1.source);
            match (vectors.get(&a.id), vectors.get(&b.id)) {
                (Some(a), Some(b)) => cosine(a, b),
                _ => jaccard(&a.attributes.skills, &b.attributes.skills),
            }
        };
        let scores: Vec<f64> = scored.iter().map(|(score, _)| *score).collect();
        let order = diverse(&scores, alike, self.weights().diversity.lambda, usize::MAX);
        let in_order = order.into_iter().filter_map(|n| scored.get(n)).chain(&rest);
        let picks = in_order.filter_map(|(score, one)| {
            let (reasons, taught_in) = reasons(one);
            (!reasons.is_empty()).then_some(Pick { id: one.source.id, score: *score, reasons, taught_in })
        });
        Ok(picks.collect())
    }

    /// What is shown of what was picked, or cached: read again, and asked again who may see it.
    async fn shown(
        &self,
        me: UserId,
        kind: Kind,
        picks: Vec<Pick>,
        limit: usize,
    ) -> Result<RecommendationsView, DiscoveryError> {
        let mut items = Vec::new();
        let excluded: HashSet<Uuid> =
            self.truth().taken(me, kind).await?.into_iter().chain(self.dismissed(me, kind).await?).collect();
        let picks: Vec<Pick> = picks.into_iter().filter(|pick| !excluded.contains(&pick.id)).collect();
        for part in picks.chunks(limit.max(1)) {
            let mut sources = self.confirmed(me, kind, part.iter().map(|pick| pick.id).collect()).await?;
            for pick in part {
                if items.len() < limit
                    && let Some(source) = sources.remove(&pick.id)
                {
                    items.push(ResultView::of(
                        source,
                        pick.score,
                        pick.reasons.clone(),
                        pick.taught_in.clone(),
                    ));
                }
            }
            if items.len() >= limit {
                break;
            }
        }
        Ok(RecommendationsView { items, weights_version: self.weights().version })
    }
}

/// What somebody can do and writes of themselves.
fn about(seeker: &Seeker, taxonomy: &Taxonomy) -> String {
    let skills = taxonomy.names(&seeker.skills).join(", ");
    format!("{skills}\n{}", seeker.text).trim().to_owned()
}

/// An hourly gig pays at least somebody's rate, or some of it; a sum says nothing of hours.
fn fits_rate(gig: &Source, seeker: &Seeker) -> f64 {
    let hourly = gig.attributes.tags.iter().any(|tag| tag == "hourly");
    let same = gig.price.zip(seeker.rate).filter(|(pays, asks)| hourly && pays.currency == asks.currency);
    budget_fit(same.map(|(pays, _)| pays.amount_minor), same.map(|(_, asks)| asks.amount_minor))
}
