//! QTI 2.1 items (1EdTech, "Question & Test Interoperability, Assessment Test, Section, and Item
//! Information Model" 2.1), read and written: the subset that our questions can say. What an item has
//! beyond it is named: items that cannot be taken are refused, parts that do not change what is asked are
//! left out.

mod read;
mod write;
mod xml;

use super::quiz::Question;

pub use write::write;

/// Where a few words or a number are to be filled in.
const BLANK: &str = "_____";

/// What became of items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The questions.
    pub questions: Vec<Question>,
    /// Items that could not be taken: which, from 1, and why.
    pub refused: Vec<(usize, String)>,
    /// Parts of items that were taken without them: which item, from 1, and what.
    pub left_out: Vec<(usize, String)>,
}

/// Reads items, each a document of its own.
pub fn parse<S: AsRef<str>>(items: &[S]) -> Imported {
    let mut imported = Imported::default();
    for (n, item) in items.iter().enumerate() {
        match read::item(item.as_ref()) {
            Ok((question, left_out)) => match question.flaws().into_iter().next() {
                None => {
                    imported.questions.push(question);
                    imported.left_out.extend(left_out.into_iter().map(|said| (n + 1, said)));
                }
                Some((at, said)) => imported.refused.push((n + 1, format!("{at} {said}"))),
            },
            Err(said) => imported.refused.push((n + 1, said)),
        }
    }
    imported
}
