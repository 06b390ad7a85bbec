//! Search over one kind of thing or all.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    flat,
    retrieval::{CANDIDATES, NO_TEXT, NO_VECTORS},
};
use crate::{
    contexts::discovery::{
        Discovery, DiscoveryError, FoundView, HighlightView, Kind, ResultView, SearchForm, Seeker, Source,
        model::{
            Key,
            features::{Features, popularity, recency, reputation},
            fusion::fuse,
            reasons::{To, of_skills},
            skills::{Overlap, Taxonomy},
        },
        views::{CountView, HighlightsView},
    },
    ports::{
        attributes::Filter,
        text::{Facet, Found, Query, Sort, TextHit},
    },
    principal::{Principal, UserId},
};

/// Of each kind, so many are ordered by everything that is known of them; those after them, by the lists alone.
const WEIGHED: usize = 50;

/// What one kind's indexes said.
struct Answer {
    kind: Kind,
    /// The best first.
    ranked: Vec<(Uuid, f64)>,
    /// What the lists that named anything count together.
    heard: f64,
    hits: HashMap<Uuid, TextHit>,
    /// Found by meaning.
    near: Vec<Uuid>,
    found: Found,
    without: Vec<&'static str>,
}

impl Answer {
    /// How many there are: by words, or by meaning where that found more.
    fn total(&self) -> u64 {
        self.found.total.max(self.ranked.len() as u64)
    }
}

impl Discovery {
    /// What a person finds, the best first.
    ///
    /// # Errors
    /// [`DiscoveryError::Invalid`] for a filter out of its bounds or a foreign cursor; [`DiscoveryError::TooMany`];
    /// whatever was typed is no error.
    pub async fn search(
        &self,
        who: &Principal,
        form: &SearchForm,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<FoundView, DiscoveryError> {
        let _timer = self.parts().metrics.seconds.with_label_values(&["search"]).start_timer();
        let me = who.user_id;
        let _under_way = self.begin(me).await?;
        let text = form.text();
        let mut filter = form.filter()?;
        filter.not_owners = self.apart_from(me);
        let asked = fingerprint(form, &text);
        let offset = self.offset(&asked, cursor)?;
        let kinds: Vec<Kind> = if form.kinds.is_empty() { Kind::ALL.to_vec() } else { form.kinds.clone() };
        let answers = kinds.iter().map(|kind| self.ask(*kind, &text, &filter, form.sort));
        let mut answers = try_join_all(answers).await?;
        let by_worth = form.sort == Sort::Relevance;
        if by_worth {
            level(&mut answers);
        }
        let mut known: HashMap<Key, Source> = HashMap::new();
        if by_worth {
            for answer in &mut answers {
                self.weigh(me, answer, &mut known).await?;
            }
        }
        let order = in_one_list(&answers, by_worth);
        let taxonomy = self.taxonomy().await?;
        let seeker = if kinds.contains(&Kind::Gig) { self.truth().seeker(me).await? } else { None };
        let by_kind: HashMap<Kind, &Answer> = answers.iter().map(|answer| (answer.kind, answer)).collect();
        let mut items = Vec::new();
        let mut at = offset;
        // What is not confirmed leaves a gap, so it may take a second look.
        while items.len() < limit && at < order.len() {
            let part = &order[at..(at + limit).min(order.len())];
            self.confirm(me, part, &mut known).await?;
            for (kind, id, score) in part {
                at += 1;
                let Some(source) = known.remove(&(*kind, *id)) else { continue };
                let Some(answer) = by_kind.get(kind) else { continue };
                items.push(view(answer, source, *score, seeker.as_ref(), &taxonomy, &text));
                if items.len() == limit {
                    break;
                }
            }
        }
        let next_cursor = (at < order.len()).then(|| {
            let place = u32::try_from(at).unwrap_or(u32::MAX);
            self.parts().signer.sign(&format!("discovery.{asked}"), &place.to_be_bytes(), None)
        });
        let mut without: Vec<&'static str> =
            answers.iter().flat_map(|answer| answer.without.clone()).collect();
        without.sort_unstable();
        without.dedup();
        Ok(FoundView {
            items,
            next_cursor,
            total: answers.iter().map(Answer::total).sum(),
            total_is_estimate: answers.iter().any(|answer| answer.found.estimated),
            facets: facets(&answers, &taxonomy),
            did_you_mean: did_you_mean(&text, &answers),
            weights_version: self.weights().version,
            without,
        })
    }

    fn offset(&self, asked: &str, cursor: Option<&str>) -> Result<usize, DiscoveryError> {
        let Some(cursor) = cursor else { return Ok(0) };
        let bad = || DiscoveryError::field("?cursor", "is not a cursor of this search");
        let bytes = self
            .parts()
            .signer
            .verify(&format!("discovery.{asked}"), cursor, self.now())
            .map_err(|_| bad())?;
        let bytes: [u8; 4] = bytes.try_into().map_err(|_| bad())?;
        Ok(u32::from_be_bytes(bytes) as usize)
    }

    async fn ask(
        &self,
        kind: Kind,
        text: &str,
        filter: &Filter,
        sort: Sort,
    ) -> Result<Answer, DiscoveryError> {
        let query = Query {
            text: text.to_owned(),
            filter: filter.clone(),
            facets: Facet::ALL.to_vec(),
            sort,
            offset: 0,
            limit: CANDIDATES,
        };
        let meant = sort == Sort::Relevance && !text.is_empty();
        let near =
            async { if meant { Some(self.by_meaning(kind, text, filter, CANDIDATES).await) } else { None } };
        let (found, near) = futures_util::future::join(self.by_words(kind, &query), near).await;
        let near = near.transpose()?;
        let mut without = Vec::new();
        if near.as_ref().is_some_and(|near| near.away) {
            without.push(NO_VECTORS);
        }
        let near = near.map(|near| near.ids()).unwrap_or_default();
        let found = match found {
            Ok(found) => found,
            // With neither of them there is no answer.
            Err(error) if near.is_empty() => return Err(error),
            Err(error) => {
                self.without(NO_TEXT, &error, error.is_transient());
                without.push(NO_TEXT);
                Found::default()
            }
        };
        let words: Vec<Uuid> = found.hits.iter().map(|hit| hit.id).collect();
        let whole: Vec<Uuid> = found.hits.iter().filter(|hit| hit.whole).map(|hit| hit.id).collect();
        let weights = &self.weights().fusion;
        let lists = weights.searched(&words, &whole, &near);
        let heard = lists.iter().filter(|list| !list.ids.is_empty()).map(|list| list.weight).sum();
        let ranked = if sort == Sort::Relevance {
            fuse(&lists, weights.k)
        } else {
            // The store's own order.
            #[expect(clippy::cast_precision_loss, reason = "a hundred")]
            let place = |(n, id): (usize, Uuid)| (id, 1.0 / (n + 1) as f64);
            words.into_iter().enumerate().map(place).collect()
        };
        let hits = found.hits.iter().map(|hit| (hit.id, hit.clone())).collect();
        Ok(Answer { kind, ranked, heard, hits, near, found, without })
    }

    /// Orders the first by everything that is known of them; those that are not confirmed are dropped.
    async fn weigh(
        &self,
        me: UserId,
        answer: &mut Answer,
        known: &mut HashMap<Key, Source>,
    ) -> Result<(), DiscoveryError> {
        let rest = answer.ranked.split_off(answer.ranked.len().min(WEIGHED));
        let ids: Vec<Uuid> = answer.ranked.iter().map(|(id, _)| *id).collect();
        let sources = self.confirmed(me, answer.kind, ids.clone()).await?;
        let popular =
            if sources.is_empty() { HashMap::new() } else { self.popular(answer.kind, &ids).await? };
        let (now, decay) = (self.now(), self.weights().decay.half_life_days);
        let mut weighed: Vec<(Uuid, f64)> = Vec::with_capacity(sources.len());
        for (id, fused) in &answer.ranked {
            let Some(source) = sources.get(id) else { continue };
            let features = Features {
                fused: *fused,
                recency: recency(source.fresh_at(), now, decay),
                reputation: reputation(source.attributes.rating_milli),
                popularity: popularity(popular.get(id).copied().unwrap_or(0)),
                availability: if source.available { 1.0 } else { 0.0 },
                ..Features::default()
            };
            weighed.push((*id, features.score(&self.weights().search)));
        }
        weighed.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        // Those after them stay after them.
        let least = weighed.last().map_or(1.0, |(_, score)| *score);
        weighed.extend(rest.into_iter().map(|(id, score)| (id, score * least)));
        answer.ranked = weighed;
        known.extend(sources.into_iter().map(|(id, source)| ((answer.kind, id), source)));
        Ok(())
    }

    async fn confirm(
        &self,
        me: UserId,
        part: &[(Kind, Uuid, f64)],
        known: &mut HashMap<Key, Source>,
    ) -> Result<(), DiscoveryError> {
        let mut asked: BTreeMap<Kind, Vec<Uuid>> = BTreeMap::new();
        for (kind, id, _) in part {
            if !known.contains_key(&(*kind, *id)) {
                asked.entry(*kind).or_default().push(*id);
            }
        }
        for (kind, ids) in asked {
            let sources = self.confirmed(me, kind, ids).await?;
            known.extend(sources.into_iter().map(|(id, source)| ((kind, id), source)));
        }
        Ok(())
    }
}

/// What a cursor belongs to: it is of no use for another search.
fn fingerprint(form: &SearchForm, text: &str) -> String {
    let all = format!("{form:?}\n{text}");
    Sha256::digest(all.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A kind of which a list is empty has no result that all lists name: beside other kinds its best are worth what
/// its lists are worth of those that any kind has.
fn level(answers: &mut [Answer]) {
    let most = answers.iter().map(|answer| answer.heard).fold(0.0, f64::max);
    if most > 0.0 {
        for answer in answers {
            let share = answer.heard / most;
            answer.ranked.iter_mut().for_each(|(_, score)| *score *= share);
        }
    }
}

fn in_one_list(answers: &[Answer], by_worth: bool) -> Vec<(Kind, Uuid, f64)> {
    let of = |answer: &Answer| -> Vec<(Kind, Uuid, f64)> {
        answer.ranked.iter().map(|(id, score)| (answer.kind, *id, *score)).collect()
    };
    let mut all: Vec<(Kind, Uuid, f64)> = answers.iter().flat_map(of).collect();
    if by_worth || answers.len() > 1 {
        all.sort_by(|a, b| b.2.total_cmp(&a.2).then_with(|| (a.0, a.1).cmp(&(b.0, b.1))));
    }
    all
}

fn did_you_mean(text: &str, answers: &[Answer]) -> Option<String> {
    // Where one kind knows the words, nothing else was meant.
    if answers.iter().any(|answer| answer.found.total > 0 && answer.found.did_you_mean.is_none()) {
        return None;
    }
    // The kind that understood most of the words; of several the first.
    let understood = |meant: &&String| meant.split_whitespace().filter(|word| !text.contains(word)).count();
    answers
        .iter()
        .rev()
        .filter_map(|answer| answer.found.did_you_mean.as_ref())
        .max_by_key(understood)
        .cloned()
}

fn facets(answers: &[Answer], taxonomy: &Taxonomy) -> BTreeMap<String, Vec<CountView>> {
    let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for answer in answers {
        *all.entry("kind".into()).or_default().entry(answer.kind.as_str().into()).or_default() +=
            answer.total();
        for (facet, counts) in &answer.found.facets {
            let of = all.entry(facet.name().to_owned()).or_default();
            for (value, count) in counts {
                *of.entry(value.clone()).or_default() += count;
            }
        }
    }
    let counted = |(facet, counts): (String, BTreeMap<String, u64>)| {
        let name =
            |value: &str| if facet == "skills" { taxonomy.name(value).to_owned() } else { value.to_owned() };
        let mut counts: Vec<CountView> = counts
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(value, count)| CountView { name: name(&value), value, count })
            .collect();
        counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        counts.truncate(50);
        (facet, counts)
    };
    all.into_iter().map(counted).collect()
}

fn view(
    answer: &Answer,
    source: Source,
    score: f64,
    seeker: Option<&Seeker>,
    taxonomy: &Taxonomy,
    text: &str,
) -> ResultView {
    let hit = answer.hits.get(&source.id);
    let highlights = hit.filter(|_| !text.is_empty()).map(|hit| quoted(hit, &source));
    let mut reasons = Vec::new();
    if let Some(shown) = &highlights {
        reasons.push(
            if shown.title.ranges.is_empty() {
                "Matches what you typed"
            } else {
                "Its title matches what you typed"
            }
            .to_owned(),
        );
    }
    if answer.near.contains(&source.id) {
        reasons.push(
            if hit.is_some() { "And is about it" } else { "Is about what you typed, in other words" }
                .to_owned(),
        );
    }
    if let (Kind::Gig, Some(seeker)) = (source.kind, seeker) {
        let overlap = Overlap::of(&source.attributes.skills, &seeker.skills);
        reasons.extend(of_skills(&overlap, taxonomy, &[], To::Themselves));
    }
    ResultView { highlights, ..ResultView::of(source, score, reasons, Vec::new()) }
}

/// What an index marked, as far as the truth still says it: an index may be behind, and what was taken back since
/// is not to be read there. What it no longer says is shown as it is now, without marks.
fn quoted(hit: &TextHit, source: &Source) -> HighlightsView {
    let plain = |text: &str| HighlightView { text: text.to_owned(), ranges: Vec::new() };
    let title = if flat(&hit.title.text) == flat(&source.title) {
        HighlightView::from(&hit.title)
    } else {
        plain(&source.title)
    };
    // A piece has an ellipsis where it was cut.
    let said = flat(hit.snippet.text.trim_matches('…'));
    let text = if flat(&source.body).contains(&said) {
        HighlightView::from(&hit.snippet)
    } else {
        plain(&source.summary)
    };
    HighlightsView { title, text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{attributes::Attributes, text::Highlighted};

    fn source(title: &str, body: &str) -> Source {
        Source {
            kind: Kind::Person,
            id: Uuid::nil(),
            title: title.into(),
            summary: "In short".into(),
            keywords: Vec::new(),
            body: body.into(),
            url: "/".into(),
            price: None,
            available: true,
            attributes: Attributes::default(),
        }
    }

    fn hit(title: Highlighted, snippet: Highlighted) -> TextHit {
        TextHit { id: Uuid::nil(), score: 1.0, title, snippet, whole: true }
    }

    #[test]
    fn only_what_the_truth_still_says_is_quoted() {
        let marked = |text: &str| Highlighted { text: text.into(), ranges: vec![(0, 3)] };
        let now = source("Ada\tLovelace", "One two\n\nthree\u{1}four… five");
        // Blanks and control characters are one space each in an index; a piece is cut at both ends.
        let said = ["One two  three four", "…two  three…", "… four… five", "two\n\nthree\u{1}four…"];
        for piece in said {
            let shown = quoted(&hit(marked("Ada Lovelace"), marked(piece)), &now);
            assert_eq!((shown.text.text.as_str(), shown.text.ranges.len()), (piece, 1));
            assert_eq!((shown.title.text.as_str(), shown.title.ranges.len()), ("Ada Lovelace", 1));
        }
        for piece in ["One two three four secret", "…secret…", "three two"] {
            let shown = quoted(&hit(marked("Ada Byron"), marked(piece)), &now);
            assert_eq!((shown.text.text.as_str(), shown.text.ranges.len()), ("In short", 0), "{piece}");
            assert_eq!((shown.title.text.as_str(), shown.title.ranges.len()), ("Ada\tLovelace", 0));
        }
        assert_eq!(quoted(&hit(marked("Ada"), Highlighted::plain("")), &now).text.text, "");
    }
}
