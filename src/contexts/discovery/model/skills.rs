//! Skills of the taxonomy: what somebody has of what is asked for, and which ones a text names.

use std::collections::{BTreeMap, BTreeSet};

/// What somebody has of what is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Asked for and there.
    pub have: Vec<String>,
    /// Asked for and not there.
    pub missing: Vec<String>,
}

impl Overlap {
    /// Of `wanted`, what is among `there`.
    pub fn of(wanted: &[String], there: &[String]) -> Self {
        let there: BTreeSet<&String> = there.iter().collect();
        let wanted: BTreeSet<&String> = wanted.iter().collect();
        let (have, missing) = wanted.into_iter().cloned().partition(|one| there.contains(one));
        Self { have, missing }
    }

    /// How much of it, from 0 to 1; 0 where nothing is asked for.
    pub fn share(&self) -> f64 {
        let all = self.have.len() + self.missing.len();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let share = if all == 0 { 0.0 } else { self.have.len() as f64 / all as f64 };
        share
    }
}

/// The taxonomy: names by slug.
#[derive(Clone, Debug, Default)]
pub struct Taxonomy {
    names: BTreeMap<String, String>,
    /// Words of a name or slug, lower case, to the slug.
    phrases: Vec<(Vec<String>, String)>,
}

impl Taxonomy {
    /// Of slugs and names.
    pub fn new(skills: impl IntoIterator<Item = (String, String)>) -> Self {
        let names: BTreeMap<String, String> = skills.into_iter().collect();
        let mut phrases = Vec::new();
        for (slug, name) in &names {
            for text in [slug.as_str(), name.as_str()] {
                let words = words(text);
                // One letter names nothing in a text.
                if words.iter().map(String::len).sum::<usize>() > 1 {
                    phrases.push((words, slug.clone()));
                }
            }
        }
        phrases.sort();
        phrases.dedup();
        Self { names, phrases }
    }

    /// What people call a skill.
    pub fn name<'a>(&'a self, slug: &'a str) -> &'a str {
        self.names.get(slug).map_or(slug, String::as_str)
    }

    /// What people call them, in a row.
    pub fn names(&self, slugs: &[String]) -> Vec<String> {
        slugs.iter().map(|slug| self.name(slug).to_owned()).collect()
    }

    /// The slug of what somebody calls a skill.
    pub fn slug(&self, text: &str) -> Option<&str> {
        let text = text.trim();
        let mut all = self.names.iter();
        all.find(|(slug, name)| slug.eq_ignore_ascii_case(text) || name.to_lowercase() == text.to_lowercase())
            .map(|(slug, _)| slug.as_str())
    }

    /// Slug and name of the skills whose name begins so.
    pub fn beginning(&self, text: &str) -> Vec<(String, String)> {
        let text = text.trim().to_lowercase();
        let begins = |name: &str| !text.is_empty() && name.to_lowercase().starts_with(&text);
        self.names.iter().filter(|(_, name)| begins(name)).map(|(a, b)| (a.clone(), b.clone())).collect()
    }

    /// The skills that a text names, in whole words; sorted.
    pub fn named_in(&self, text: &str) -> Vec<String> {
        let text = words(text);
        let mut found = BTreeSet::new();
        for (phrase, slug) in &self.phrases {
            if text.windows(phrase.len()).any(|part| part == phrase.as_slice()) {
                found.insert(slug.clone());
            }
        }
        found.into_iter().collect()
    }
}

/// Lower case words; `#` and `+` belong to them, as in C# and C++.
fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '#' || c == '+'))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skills(slugs: &[&str]) -> Vec<String> {
        slugs.iter().map(|slug| (*slug).to_owned()).collect()
    }

    #[test]
    fn three_of_four() {
        let overlap =
            Overlap::of(&skills(&["sql", "rust", "git", "aws"]), &skills(&["git", "rust", "sql", "seo"]));
        assert_eq!(overlap.have, ["git", "rust", "sql"]);
        assert_eq!(overlap.missing, ["aws"]);
        assert!((overlap.share() - 0.75).abs() < 1e-9);
        assert!(Overlap::of(&[], &skills(&["sql"])).share().abs() < 1e-9);
    }

    #[test]
    fn texts_name_skills_in_whole_words() {
        let all = [
            ("sql", "SQL"),
            ("go", "Go"),
            ("c-cpp", "C and C++"),
            ("csharp", "C#"),
            ("data-analysis", "Data analysis"),
        ];
        let taxonomy = Taxonomy::new(all.map(|(slug, name)| (slug.to_owned(), name.to_owned())));
        assert_eq!(
            taxonomy.named_in("Data Analysis with SQL, and C# for good"),
            ["csharp", "data-analysis", "sql"]
        );
        assert!(taxonomy.named_in("Goal: mysqlite; data, then analysis").is_empty());
        assert_eq!(taxonomy.slug("data analysis"), Some("data-analysis"));
        assert_eq!((taxonomy.name("go"), taxonomy.name("what")), ("Go", "what"));
    }
}
