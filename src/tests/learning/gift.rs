//! GIFT: in, out, and in again.

use proptest::prelude::*;

use crate::contexts::learning::{
    gift,
    quiz::{Kind, Pair, Question},
};
use crate::tests::support::skip::skip;

/// One of each, as instructors write them.
const EXAMPLES: &str = r#"// a comment
::True or false::The sun rises in the east. {T}

::Single::What is 2 + 2? {~3 =4 ~5#too many}

::Several::Which are prime? {~%50%2 ~%50%3 ~%-100%4 ####Only 2 and 3 are.}

::Blank::Two plus {=two =2} equals four.

::Pairs::Match. {=cat -> mouse =dog -> bone =bird -> worm}

::Number::When did it begin? {#1939:2}

::Range::How much? {#1.5..2.5}

::Essay::Say why. {}

::Escaped::What is \{x \= 1\}? {=a set ~a line\: two ~\#}

::Wild::Say something like it. {=%50%colour =color}

$CATEGORY: top/other

A description without an answer.
"#;

fn name(question: &Question) -> &'static str {
    match question.kind {
        Kind::Single { .. } => "single",
        Kind::Multiple { .. } => "multiple",
        Kind::Matching { .. } => "matching",
        Kind::Numeric { .. } => "numeric",
        Kind::Short { .. } => "short",
        Kind::Essay {} => "essay",
        Kind::Ordering { .. } => "ordering",
    }
}

/// Reads a file, writes what was taken, and reads that again.
fn round_trip(file: &str) -> gift::Imported {
    let read = gift::parse(file);
    assert!(read.refused.iter().all(|(line, said)| *line > 0 && !said.is_empty()), "{:?}", read.refused);
    println!("taken {}, named as not taken: {:?}", read.questions.len(), read.refused);
    let (written, refused) = gift::write(&read.questions);
    assert!(refused.is_empty(), "{refused:?}");
    let again = gift::parse(&written);
    assert_eq!(again.refused, [], "{written}");
    assert_eq!(read.questions, again.questions);
    read
}

#[test]
fn each_kind_is_taken_and_what_cannot_be_is_named() {
    let read = round_trip(EXAMPLES);
    let kinds: Vec<&str> = read.questions.iter().map(name).collect();
    let wanted =
        ["single", "single", "multiple", "short", "matching", "numeric", "numeric", "essay", "single"];
    assert_eq!(kinds, wanted, "{:?}", read.refused);
    assert_eq!(read.questions[3].prompt, "Two plus _____ equals four.");
    assert_eq!(read.questions[6].kind, Kind::Numeric { value: 2.0, tolerance: 0.5 });
    assert_eq!(read.questions[8].prompt, "What is {x = 1}?");
    assert_eq!(read.refused.len(), 3, "{:?}", read.refused);
    assert!(read.refused[0].1.contains("a part of the points"), "{:?}", read.refused);
    assert!(read.refused[1].1.contains("$CATEGORY"));
}

/// Files that were not made here: a file, or a directory of them such as `tests/questions` of
/// github.com/fuhrmanator/GIFT-grammar-PEG.js, which has Moodle's own examples.
#[test]
fn foreign_files_are_taken_or_named() {
    let Some(path) = std::env::var_os("GIGSY_TEST_GIFT").map(std::path::PathBuf::from) else {
        skip!(store "GIFT files of somebody else's", "GIGSY_TEST_GIFT names none");
    };
    let mut files = vec![path.clone()];
    if path.is_dir() {
        files = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "gift"));
        files.sort();
    }
    let mut taken = 0;
    for file in &files {
        let read = round_trip(&std::fs::read_to_string(file).expect("the file can be read"));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        println!("{name}: {} taken, refused: {:?}", read.questions.len(), read.refused);
        assert!(!read.questions.is_empty() || !read.refused.is_empty(), "{name}: nothing was said of it");
        taken += read.questions.len();
    }
    println!("{taken} questions of {} files, read again as they were", files.len());
    assert!(taken > 0);
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Zäß0-9~=#{}:\\\\ .,?!-]{1,20}"
        .prop_map(|text| format!("x{}", text.trim()))
        .prop_filter("arrows", |t| !t.contains("->"))
}

pub(super) fn questions() -> impl Strategy<Value = Question> {
    let kind = prop_oneof![
        (proptest::collection::vec(text(), 2..6), any::<prop::sample::Index>()).prop_map(|(choices, at)| {
            let correct = at.index(choices.len());
            Kind::Single { choices, correct }
        }),
        (proptest::collection::vec(text(), 3..6))
            .prop_map(|choices| Kind::Multiple { choices, correct: vec![0, 2] }),
        (proptest::collection::btree_map(text(), text(), 2..5)).prop_map(|pairs| Kind::Matching {
            pairs: pairs.into_iter().map(|(left, right)| Pair { left, right }).collect(),
            distractors: Vec::new(),
        }),
        (-1000_i32..1000, 0_u32..50).prop_map(|(value, tolerance)| Kind::Numeric {
            value: f64::from(value) / 8.0,
            tolerance: f64::from(tolerance) / 8.0,
        }),
        proptest::collection::vec(text(), 1..4)
            .prop_map(|accepted| Kind::Short { accepted, case_sensitive: false }),
        Just(Kind::Essay {}),
    ];
    (text(), text(), kind).prop_map(|(title, prompt, kind)| Question {
        title,
        prompt,
        points: 1,
        feedback: String::new(),
        kind,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(all in proptest::collection::vec(questions(), 1..5)) {
        let (written, refused) = gift::write(&all);
        prop_assert_eq!(refused, Vec::<String>::new());
        let again = gift::parse(&written);
        prop_assert_eq!(again.refused, Vec::new(), "{}", written);
        prop_assert_eq!(again.questions, all, "{}", written);
    }

    #[test]
    fn rubbish_is_read_without_a_panic(text in "[a-z{}=~#%:>\\\\\n \\-0-9.]{0,120}") {
        gift::parse(&text);
    }
}

/// A file of blanks is read in one go over them.
#[test]
fn blanks_before_a_text_are_nothing_of_it() {
    let blanks = " ".repeat(200_000);
    for file in [
        format!("{blanks}Which? {{=one ~two}}"),
        format!("Which? {{={blanks}%100%one ~{blanks}two}}"),
        format!("{blanks}::{blanks}::Which? {{=one ~{blanks}two}}"),
    ] {
        let read = gift::parse(&file);
        assert_eq!(read.refused, []);
        let [one] = read.questions.as_slice() else { panic!("{} questions", read.questions.len()) };
        assert_eq!((one.title.as_str(), one.prompt.as_str()), ("", "Which?"));
        assert_eq!(one.kind, Kind::Single { choices: vec!["one".into(), "two".into()], correct: 0 });
    }
}
