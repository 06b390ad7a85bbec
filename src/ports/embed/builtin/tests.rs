//! The table, against what the script that makes it says; and hostile texts.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    model: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    vector: Vec<f32>,
}

fn cosine(one: &str, other: &str) -> f32 {
    let model = Builtin::new();
    model.embed(one).iter().zip(model.embed(other)).map(|(a, b)| a * b).sum()
}

fn cut(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let model = Builtin::new();
    words::each(text, |word| model.0.knows(word), |word| words.push(word.to_owned()));
    words
}

#[test]
fn it_makes_the_same_vectors_as_the_script_that_made_it() {
    let fixture: Fixture = serde_json::from_str(include_str!("../model/fixture.json")).unwrap();
    let model = Builtin::new();
    assert_eq!(fixture.model, model.name());
    assert!(fixture.cases.len() > 40);
    for Case { text, vector } in fixture.cases {
        let ours = model.embed(&text);
        assert_eq!(ours.len(), vector.len());
        for (ours, theirs) in ours.iter().zip(vector) {
            assert!((ours - theirs).abs() < 1e-4, "{text:?}: {ours} is not {theirs}");
        }
    }
}

#[test]
fn the_table_is_whole() {
    let model = Builtin::new();
    assert_eq!(model.dimension(), 128);
    assert!(Table::read(BYTES).is_ok());
    assert!(model.0.rows() > 25_000);
    assert!(model.0.knows("kubernetes") && model.0.knows("c++") && !model.0.knows("qzxv"));
    // Every prefix is refused rather than read past its end.
    for length in [0, 7, 8, 15, 16, 100, BYTES.len() / 2, BYTES.len() - 1] {
        assert!(Table::read(&BYTES[..length]).is_err(), "{length}");
    }
}

#[test]
fn words_are_cut_as_people_write_them() {
    for (text, words) in [
        ("C++ and C#, or .NET", vec!["c++", "and", "c#", "or", ".net"]),
        ("CI/CD, and/or Node.js.", vec!["ci/cd", "and", "or", "node.js"]),
        ("Übersetzung für Élise", vec!["ubersetzung", "fur", "elise"]),
        ("c+++ -x- #hash", vec!["c", "x", "hash"]),
        ("日本 go", vec!["日", "本", "go"]),
        ("\u{200b}zero\u{ad}soft", vec!["zero", "soft"]),
        ("", vec![]),
    ] {
        assert_eq!(cut(text), words, "{text:?}");
    }
}

#[test]
fn near_meanings_are_nearer() {
    for (text, near, far) in [
        ("make a website for my shop", "web development for small businesses", "walk two dogs at noon"),
        ("someone to walk my dog", "pet sitter for two labradors", "quarterly tax return"),
        ("k8s", "containers and clusters", "guitar lessons"),
        ("help with calculus homework", "mathematics tutor", "wedding photographer"),
        ("Übersetzung", "translator", "welding"),
    ] {
        assert!(cosine(text, near) > cosine(text, far) + 0.1, "{text}: {near} and {far}");
    }
}

#[test]
fn a_word_nobody_knows_is_still_found_again() {
    assert!(cosine("пример", "пример") > 0.999);
    assert!(cosine("пример", "другое").abs() < 0.5);
}

#[test]
fn a_text_of_megabytes_is_read_only_so_far() {
    let model = Builtin::new();
    for one in ["a", "a+", "\u{fdfa}", "🙂", "c++/", "ﬃ "] {
        let text = one.repeat(1_000_000);
        let begun = Instant::now();
        model.embed(&text);
        // Not a measurement: reading all of it, or in the square of it, would take minutes.
        assert!(begun.elapsed() < Duration::from_secs(20), "{one}");
    }
}

proptest! {
    #[test]
    fn any_text_with_a_word_has_a_vector_one_long(text in "\\PC{0,200}|[\\x00-\\x7f]{0,200}|(?s:.{0,100})") {
        let model = Builtin::new();
        let vector = model.embed(&text);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        // Null only where there is no word.
        let worded = !cut(&text).is_empty();
        prop_assert!((length - f32::from(u8::from(worded))).abs() < 1e-3, "{length}");
        prop_assert!(vector.iter().all(|x| x.is_finite()));
    }

    #[test]
    fn the_order_of_words_and_their_case_do_not_matter(one in "[a-z]{1,12}", other in "[a-z]{1,12}") {
        let (this, that) = (format!("{one} {other}"), format!("{} {one}", other.to_uppercase()));
        prop_assert!(cosine(&this, &that) > 0.999);
    }
}
