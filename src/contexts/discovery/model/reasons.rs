//! Why a result is there, in sentences.

use super::skills::{Overlap, Taxonomy};

/// A skill that somebody lacks, and the course that teaches it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct TaughtIn {
    /// By slug.
    pub skill: String,
    /// The course.
    pub course_id: uuid::Uuid,
    /// What it is called.
    pub title: String,
}

/// Whom a sentence about skills is said to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Whoever has the skills: a student who reads of a gig.
    Themselves,
    /// Whoever asks for them: a client who reads of a student.
    Another,
}

/// "You have 3 of 4 skills; the missing one, SQL, is taught in “Databases”". `None` where nothing is asked for.
pub fn of_skills(overlap: &Overlap, taxonomy: &Taxonomy, taught: &[TaughtIn], to: To) -> Option<String> {
    let (have, all) = (overlap.have.len(), overlap.have.len() + overlap.missing.len());
    if all == 0 {
        return None;
    }
    let (who, has) = match to {
        To::Themselves => ("You", "have"),
        To::Another => ("They", "have"),
    };
    let mut said = match (have, all) {
        (1, 1) => format!("{who} {has} the skill that is asked for: {}", taxonomy.name(&overlap.have[0])),
        _ if have == all => format!("{who} {has} all {all} skills: {}", list(&taxonomy.names(&overlap.have))),
        (0, _) => return taught_only(overlap, taxonomy, taught),
        _ => format!("{who} {has} {have} of {all} skills ({})", list(&taxonomy.names(&overlap.have))),
    };
    if let Some(more) = missing(overlap, taxonomy, taught) {
        said.push_str("; ");
        said.push_str(&more);
    }
    Some(said)
}

fn taught_only(overlap: &Overlap, taxonomy: &Taxonomy, taught: &[TaughtIn]) -> Option<String> {
    let one = taught.iter().find(|one| overlap.missing.contains(&one.skill))?;
    Some(format!("{} is taught in “{}”", taxonomy.name(&one.skill), one.title))
}

fn missing(overlap: &Overlap, taxonomy: &Taxonomy, taught: &[TaughtIn]) -> Option<String> {
    let first = overlap.missing.first()?;
    if let [only] = &overlap.missing[..] {
        let name = taxonomy.name(only);
        return Some(match taught.iter().find(|one| one.skill == *only) {
            Some(course) => format!("the missing one, {name}, is taught in “{}”", course.title),
            None => format!("{name} is missing"),
        });
    }
    let course = taught.iter().find(|one| overlap.missing.contains(&one.skill));
    Some(match course {
        Some(course) => {
            format!("{}, one that is missing, is taught in “{}”", taxonomy.name(&course.skill), course.title)
        }
        None => format!("{} and {} more are missing", taxonomy.name(first), overlap.missing.len() - 1),
    })
}

/// "Rust, SQL and Git".
pub fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taxonomy() -> Taxonomy {
        Taxonomy::new(
            [("sql", "SQL"), ("git", "Git"), ("rust", "Rust"), ("aws", "AWS")]
                .map(|(a, b)| (a.into(), b.into())),
        )
    }

    fn overlap(have: &[&str], missing: &[&str]) -> Overlap {
        let of = |slugs: &[&str]| slugs.iter().map(|slug| (*slug).to_owned()).collect();
        Overlap { have: of(have), missing: of(missing) }
    }

    #[test]
    fn sentences() {
        let taught = [TaughtIn { skill: "aws".into(), course_id: uuid::Uuid::nil(), title: "Clouds".into() }];
        let said = |have: &[&str], missing: &[&str], to| {
            of_skills(&overlap(have, missing), &taxonomy(), &taught, to)
        };
        assert_eq!(
            said(&["git", "rust", "sql"], &["aws"], To::Themselves).unwrap(),
            "You have 3 of 4 skills (Git, Rust and SQL); the missing one, AWS, is taught in “Clouds”"
        );
        assert_eq!(said(&["sql"], &[], To::Another).unwrap(), "They have the skill that is asked for: SQL");
        assert_eq!(said(&["git", "sql"], &[], To::Themselves).unwrap(), "You have all 2 skills: Git and SQL");
        assert_eq!(
            said(&["git"], &["rust"], To::Themselves).unwrap(),
            "You have 1 of 2 skills (Git); Rust is missing"
        );
        assert_eq!(said(&[], &["aws"], To::Themselves).unwrap(), "AWS is taught in “Clouds”");
        assert_eq!(said(&[], &["rust"], To::Themselves), None);
        assert_eq!(said(&[], &[], To::Themselves), None);
        assert_eq!(
            said(&["git"], &["aws", "sql"], To::Themselves).unwrap(),
            "You have 1 of 3 skills (Git); AWS, one that is missing, is taught in “Clouds”"
        );
    }
}
