//! What was typed, as queries of the index: each word with its stem, its synonyms, and what may have been
//! meant by it.

use std::collections::BTreeSet;

use diesel::{
    QueryableByName,
    sql_types::{BigInt, Bool, Nullable, Text},
};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::{
    super::{
        WORDS,
        highlight::Matcher,
        synonyms,
        words::{Word, distance, forgiven, words},
    },
    Answer, Number,
    write::stems,
};
use crate::ports::attributes::postgres::{Bind, Sql};

/// So many words stand in for one that is unknown.
const STAND_INS: usize = 4;

/// For so many unknown words of a query others are looked for: with more of them it is no slip of the finger.
const MISTAKEN: usize = 4;

/// One word of a query.
pub(super) struct Term {
    /// What finds it, as a `tsquery`.
    pub query: String,
    /// What finds it as it was typed, or a form of it: no synonym, no stand-in.
    pub typed: String,
    /// Lexemes in the query.
    pub size: usize,
    /// Documents that have it, about; a word with many forms counts more than once.
    pub n: i64,
    /// How much it tells, the rarer the more; the weights of a query's terms add up to 1.
    pub weight: f64,
}

/// A query, understood.
#[derive(Default)]
pub(super) struct Plan {
    pub terms: Vec<Term>,
    pub matcher: Matcher,
    /// The text with its unknown words replaced.
    pub meant: Option<String>,
}

impl Plan {
    /// All words.
    pub fn all(&self) -> String {
        self.joined(" & ", |_| true)
    }

    /// All words as they were typed.
    pub fn typed(&self) -> String {
        self.terms.iter().map(|term| term.typed.as_str()).collect::<Vec<_>>().join(" & ")
    }

    /// At least one of those terms.
    pub fn any(&self, which: impl Fn(&Term) -> bool) -> String {
        self.joined(" | ", which)
    }

    fn joined(&self, by: &str, which: impl Fn(&Term) -> bool) -> String {
        let queries: Vec<_> =
            self.terms.iter().filter(|term| which(term)).map(|term| term.query.as_str()).collect();
        queries.join(by)
    }
}

#[derive(QueryableByName)]
struct Known {
    #[diesel(sql_type = BigInt)]
    ord: i64,
    #[diesel(sql_type = Nullable<Text>)]
    stem: Option<String>,
    #[diesel(sql_type = Bool)]
    stop: bool,
    #[diesel(sql_type = BigInt)]
    n: i64,
    #[diesel(sql_type = BigInt)]
    begun: i64,
}

#[derive(QueryableByName)]
struct Candidate {
    #[diesel(sql_type = Text)]
    word: String,
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// What finds one word, as it grows.
#[derive(Default)]
struct Finders {
    lexemes: BTreeSet<String>,
    phrases: BTreeSet<String>,
    prefix: Option<String>,
    typed: String,
    n: i64,
}

impl Finders {
    fn word(&mut self, word: &str, stem: Option<&str>) {
        self.lexemes.insert(word.to_owned());
        if let Some(stem) = stem {
            self.lexemes.insert(stem.to_owned());
            self.lexemes.insert(format!("~{stem}"));
        }
    }

    fn query(&self) -> String {
        let lexemes = self.lexemes.iter().map(|lexeme| format!("'{lexeme}'"));
        let prefix = self.prefix.iter().map(|prefix| format!("'{prefix}':*"));
        let all: Vec<_> = lexemes.chain(prefix).chain(self.phrases.iter().cloned()).collect();
        format!("({})", all.join(" | "))
    }

    fn term(self) -> Term {
        let size = self.lexemes.len() + self.phrases.len() + usize::from(self.prefix.is_some());
        Term { query: self.query(), typed: self.typed, size, n: self.n, weight: 0.0 }
    }
}

/// Understands a text.
pub(super) async fn plan(
    conn: &mut AsyncPgConnection,
    build: i64,
    trigrams: bool,
    text: &str,
) -> Answer<Plan> {
    let all = words(text);
    let mut typed: Vec<&Word> = Vec::new();
    for word in &all {
        if typed.len() < WORDS && !typed.iter().any(|other| other.folded == word.folded) {
            typed.push(word);
        }
    }
    let [.., last] = &typed[..] else { return Ok(Plan::default()) };
    // Still being typed.
    let unfinished = last.end == text.len() && last.folded.chars().count() > 1;
    let known = look_up(conn, build, &typed, unfinished).await?;
    let telling = known.iter().any(|known| !known.stop);
    let documents: Number =
        diesel::sql_query(format!("select documents as n from words.builds where id = {build}"))
            .get_result(conn)
            .await?;

    let mut plan = Plan::default();
    let mut fixes = Vec::new();
    let mut mistaken = 0;
    for (at, (word, known)) in typed.iter().zip(&known).enumerate() {
        if known.stop && telling {
            continue;
        }
        let mut finders = Finders { n: known.n, ..Finders::default() };
        finders.word(&word.folded, known.stem.as_deref());
        plan.matcher.whole.push(word.folded.clone());
        plan.matcher.stems.extend(known.stem.clone().filter(|stem| stem.chars().count() > 2));
        if unfinished && at + 1 == typed.len() {
            finders.prefix = Some(word.folded.clone());
            finders.n = finders.n.max(known.begun);
            plan.matcher.prefixes.push(word.folded.clone());
        }
        finders.typed = finders.query();
        add_synonyms(&mut finders, &mut plan.matcher, &typed, at);
        let unknown = known.n == 0 && known.begun == 0;
        if unknown && trigrams && forgiven(word.folded.chars().count()) > 0 && mistaken < MISTAKEN {
            mistaken += 1;
            let open = finders.prefix.is_some();
            let instead = stand_ins(conn, build, &word.folded, open).await?;
            let names: Vec<_> = instead.iter().map(|candidate| candidate.word.clone()).collect();
            let other = stems(conn, names.clone()).await?;
            if let [best, ..] = &names[..] {
                fixes.push((word.start, word.end, best.clone()));
            }
            for candidate in instead {
                finders.n += candidate.n;
                finders.word(&candidate.word, other.get(&candidate.word).map(String::as_str));
                plan.matcher.whole.push(candidate.word);
            }
        }
        plan.terms.push(finders.term());
    }
    weigh(&mut plan.terms, documents.n);
    plan.meant = replaced(text, &fixes);
    Ok(plan)
}

async fn look_up(
    conn: &mut AsyncPgConnection,
    build: i64,
    typed: &[&Word],
    unfinished: bool,
) -> Answer<Vec<Known>> {
    let open = if unfinished { i64::try_from(typed.len()).unwrap_or_default() } else { 0 };
    let mut sql = Sql::new(format!(
        "select w.ord, (l.lexemes)[1] as stem, l.lexemes = '{{}}' as stop,
           coalesce((select sum(n) from words.v{build}
                     where word = any(array[w.word, (l.lexemes)[1], '~' || (l.lexemes)[1]])), 0)::bigint as n,
           coalesce((select sum(n) from (
               select n from words.v{build}
               where w.ord = {open} and word >= w.word and word < w.word || chr(1114111) and not stem
               limit 2000) as begun), 0)::bigint as begun
         from unnest("
    ));
    let folded = typed.iter().map(|word| word.folded.clone()).collect();
    sql.with("?) with ordinality as w (word, ord), ", Bind::Texts(folded));
    sql.push("lateral (select ts_lexize('pg_catalog.english_stem', w.word) as lexemes) as l order by w.ord");
    let rows = sql.query().load::<Known>(conn).await?;
    debug_assert!(rows.iter().map(|row| row.ord).eq(1..=i64::try_from(typed.len()).unwrap_or_default()));
    Ok(rows)
}

/// What means the same as the word, or as the phrase that it stands in.
fn add_synonyms(finders: &mut Finders, matcher: &mut Matcher, typed: &[&Word], at: usize) {
    let mut same = BTreeSet::new();
    for from in at.saturating_sub(2)..=at {
        for to in at..typed.len().min(from + 3) {
            let phrase: Vec<_> = typed[from..=to].iter().map(|word| word.folded.as_str()).collect();
            same.extend(synonyms::of(&phrase.join(" ")));
        }
    }
    for phrase in same {
        let parts: Vec<_> = phrase.split(' ').collect();
        matcher.whole.extend(parts.iter().map(|part| (*part).to_owned()));
        if let [word] = parts[..] {
            finders.word(word, None);
        } else {
            let parts: Vec<_> = parts.into_iter().map(|part| format!("'{part}'")).collect();
            finders.phrases.insert(format!("({})", parts.join(" <-> ")));
        }
    }
}

/// Known words like one that is unknown, the likeliest first.
async fn stand_ins(
    conn: &mut AsyncPgConnection,
    build: i64,
    word: &str,
    open: bool,
) -> Answer<Vec<Candidate>> {
    let most = forgiven(word.chars().count());
    if most == 0 {
        return Ok(Vec::new());
    }
    let mut sql = Sql::new(format!("select word, n from words.v{build} where not stem and word % "));
    let arg = sql.arg(Bind::Text(word.to_owned()));
    sql.push(&format!("{arg} order by similarity(word, {arg}) desc, n desc limit 100"));
    let found = sql.query().load::<Candidate>(conn).await?;
    let judged = found.into_iter().filter_map(|candidate| {
        let whole = distance(word, &candidate.word, false, most);
        let begun = if open { distance(word, &candidate.word, true, most) } else { None };
        let off = match (whole, begun) {
            (Some(whole), Some(begun)) if begun < whole => (begun, true),
            (Some(whole), _) => (whole, false),
            (None, Some(begun)) => (begun, true),
            (None, None) => return None,
        };
        Some((off, candidate))
    });
    let mut judged: Vec<_> = judged.collect();
    judged.sort_by(|(a, x), (b, y)| a.cmp(b).then(y.n.cmp(&x.n)).then_with(|| x.word.cmp(&y.word)));
    let [((least, _), _), ..] = judged[..] else { return Ok(Vec::new()) };
    let near = judged.into_iter().filter(|((off, _), _)| *off == least);
    Ok(near.map(|(_, candidate)| candidate).take(STAND_INS).collect())
}

/// By inverse document frequency, as BM25 has it.
fn weigh(terms: &mut [Term], documents: i64) {
    #[expect(clippy::cast_precision_loss, reason = "a weight")]
    let idf = |n: i64| {
        let all = documents.max(n) as f64;
        (1.0 + (all - n as f64 + 0.5) / (n as f64 + 0.5)).ln()
    };
    let sum: f64 = terms.iter().map(|term| idf(term.n)).sum();
    for term in terms {
        term.weight = idf(term.n) / sum;
    }
}

fn replaced(text: &str, fixes: &[(usize, usize, String)]) -> Option<String> {
    if fixes.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut at = 0;
    for (start, end, word) in fixes {
        out.push_str(text.get(at..*start)?);
        out.push_str(word);
        at = *end;
    }
    out.push_str(text.get(at..)?);
    Some(out.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ports::{
            attributes::Attributes,
            text::{Document, PgText, TextIndex},
        },
        tests::support::database::TestDatabase,
    };

    /// Whatever is typed, a search is of so many words, each of so many lexemes, with so many looked up.
    #[tokio::test]
    async fn the_work_of_a_query_is_bounded() {
        let test = TestDatabase::new();
        let database = test.open().await;
        let index = TextIndex::over(PgText::new(database.clone()));
        index.ready("gigs").await.unwrap();
        // Twenty known words near each of the mistaken ones.
        let document = |n: u128| Document {
            id: uuid::Uuid::from_u128(n),
            revision: 1,
            title: format!("Translate {n}"),
            keywords: Vec::new(),
            body: ('a'..='t').map(|c| format!("translat{c} translati{c} ")).collect(),
            attributes: Attributes::default(),
        };
        index.upsert("gigs", &[document(1), document(2)]).await.unwrap();
        let mut conn = database.conn().await.unwrap();
        let build: Number =
            diesel::sql_query("select max(id) as n from words.builds").get_result(&mut conn).await.unwrap();
        let typed = [
            "x".repeat(300),
            (0..75).map(|n| format!("w{n} ")).collect(),
            ('a'..='z').map(|c| format!("tranzlat{c} ")).collect(),
            "translate ".repeat(30),
            "web design logo developer js ".repeat(10),
            "设计网站翻译".repeat(50),
            "a ".repeat(150),
        ];
        for text in typed {
            let plan = plan(&mut conn, build.n, true, &text).await.unwrap();
            assert!(plan.terms.len() <= WORDS, "{} words of {text:?}", plan.terms.len());
            for term in &plan.terms {
                // The word, its stem twice, a prefix, what stands in for it, and what means the same.
                assert!(term.size <= 40, "{} lexemes: {}", term.size, term.query);
            }
            assert!(plan.any(|_| true).len() < 16_000, "{text:?}");
            let replaced = plan.meant.map_or(0, |meant| {
                let before: Vec<_> = words(&text);
                let after = words(&meant);
                before.iter().zip(&after).filter(|(a, b)| a.folded != b.folded).count()
            });
            assert!(replaced <= MISTAKEN, "{replaced} words were replaced in {text:?}");
        }
    }
}
