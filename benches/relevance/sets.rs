//! Graded sets: documents, queries, and how well each answers each.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use serde::Deserialize;

use super::{
    kit::{Outcome, fail},
    measures::Grades,
};

/// Something that can be found.
pub struct Document {
    /// Its name in the judgements.
    pub name: String,
    pub title: String,
    pub skills: Vec<String>,
    pub body: String,
}

/// What somebody typed, and the grades of documents by their places.
pub struct Question {
    pub text: String,
    pub style: String,
    pub grades: Grades,
}

/// Queries that are counted together.
pub struct Set {
    pub name: String,
    pub questions: Vec<Question>,
}

/// Documents with the sets of queries over them.
pub struct Collection {
    /// As an index may be named.
    pub name: &'static str,
    pub documents: Vec<Document>,
    pub sets: Vec<Set>,
}

/// The graded set of our domain: `docs/relevance/domain`.
pub fn domain(folder: &Path) -> Outcome<Collection> {
    let mut documents = Vec::new();
    for (file, kind) in [("gigs", "gig"), ("courses", "course"), ("people", "person"), ("mentors", "mentor")]
    {
        let text = fs::read_to_string(folder.join(format!("{file}.txt")))?;
        for (at, line) in text.lines().enumerate() {
            let [_, title, skills, body] = line.split('|').collect::<Vec<_>>()[..] else {
                return fail(format!("{file}.txt: {line}"));
            };
            documents.push(Document {
                name: format!("{kind}-{:03}", at + 1),
                title: title.to_owned(),
                skills: skills.split(';').map(str::to_owned).collect(),
                body: body.to_owned(),
            });
        }
    }
    let sets = questions(folder, &documents, "domain")?;
    Ok(Collection { name: "relevance_domain", documents, sets })
}

#[derive(Deserialize)]
struct Line {
    name: String,
    title: String,
    body: String,
}

/// A public collection as `scripts/relevance-collection` leaves it; `None` where it was not run.
pub fn semanlink(folder: &Path) -> Outcome<Option<Collection>> {
    let path = folder.join("documents.jsonl");
    if !path.exists() {
        return Ok(None);
    }
    let mut documents = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let Line { name, title, body } = serde_json::from_str(line)?;
        documents.push(Document { name, title, skills: Vec::new(), body });
    }
    let sets = questions(folder, &documents, "semanlink")?;
    Ok(Some(Collection { name: "relevance_semanlink", documents, sets }))
}

/// `queries.tsv` (name, split, style, text) and `judgements.tsv` (query, document, grade), a set for each split.
fn questions(folder: &Path, documents: &[Document], name: &str) -> Outcome<Vec<Set>> {
    let places: HashMap<&str, usize> =
        documents.iter().enumerate().map(|(at, document)| (document.name.as_str(), at)).collect();
    let mut grades: HashMap<String, Grades> = HashMap::new();
    for line in fs::read_to_string(folder.join("judgements.tsv"))?.lines() {
        let [query, document, grade] = line.split('\t').collect::<Vec<_>>()[..] else {
            return fail(format!("judgements.tsv: {line}"));
        };
        let Some(place) = places.get(document) else { return fail(format!("no document {document}")) };
        grades.entry(query.to_owned()).or_default().insert(*place, grade.parse()?);
    }
    let mut sets: BTreeMap<String, Vec<Question>> = BTreeMap::new();
    for line in fs::read_to_string(folder.join("queries.tsv"))?.lines() {
        let [query, split, style, text] = line.split('\t').collect::<Vec<_>>()[..] else {
            return fail(format!("queries.tsv: {line}"));
        };
        let Some(grades) = grades.remove(query) else { return fail(format!("{query} has no grades")) };
        let question = Question { text: text.to_owned(), style: style.to_owned(), grades };
        sets.entry(split.to_owned()).or_default().push(question);
    }
    let named = sets.into_iter().map(|(split, questions)| Set { name: format!("{name}-{split}"), questions });
    Ok(named.collect())
}
