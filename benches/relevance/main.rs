//! Relevance: what text search, vectors and both fused are worth on graded sets.
//!
//! `make relevance` runs it and writes `docs/relevance/latest.json`; `docs/relevance/README.md` says what the sets
//! are and how to read the figures.
#![allow(clippy::print_stdout, reason = "a command-line program")]
#![allow(missing_docs, reason = "checked by hand: the harness is no library")]

mod measures;
mod retrieve;
mod sets;

#[path = "../kit/mod.rs"]
mod kit;

use std::{collections::BTreeMap, fs, io::Write as _, path::PathBuf, process::ExitCode};

use clap::Parser;
use serde::Serialize;
use serde_json::json;

use gigsy::contexts::discovery::{
    Weights,
    model::{fusion::fuse, weights::FusionWeights},
};
use kit::{Outcome, machine};
use measures::{Interval, bootstrap, ndcg, recall, reciprocal_rank};
use retrieve::{Backend, Lists};
use sets::{Collection, Set};

/// What retrievers are worth on graded sets.
#[derive(Parser)]
struct Options {
    /// Only sets whose name contains this; nothing is written then. Parameters are chosen with `train`.
    #[arg(long)]
    only: Option<String>,
    /// Also the mean for each style of query.
    #[arg(long)]
    styles: bool,
    /// Try these weights of the list of vectors beside 1 for the list of words.
    #[arg(long, value_delimiter = ',')]
    weights: Vec<f64>,
    /// Try these k of the fusion.
    #[arg(long, value_delimiter = ',')]
    k: Vec<f64>,
    /// Also writes what was asked and answered, a line for each query, for a look by other means.
    #[arg(long)]
    dump: Option<PathBuf>,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Serialize)]
struct Row {
    set: String,
    retriever: String,
    backend: &'static str,
    ndcg_at_10: f64,
    ci_low: f64,
    ci_high: f64,
    queries: usize,
    recall_at_50: f64,
    recall_ci_low: f64,
    recall_ci_high: f64,
    mrr: f64,
    mrr_ci_low: f64,
    mrr_ci_high: f64,
}

/// Fused against the better of the two alone, query by query.
#[derive(Serialize)]
struct Difference {
    set: String,
    backend: &'static str,
    over: String,
    ndcg_at_10: f64,
    ci_low: f64,
    ci_high: f64,
}

#[derive(Serialize)]
struct Report {
    date: String,
    commit: String,
    command: String,
    model: String,
    fusion: String,
    rows: Vec<Row>,
    differences: Vec<Difference>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let done = actix::System::new().block_on(measure(&options));
    done.map_or_else(
        |error| {
            eprintln!("relevance: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

async fn measure(options: &Options) -> Outcome<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut collections = vec![sets::domain(&root.join("docs/relevance/domain"))?];
    match sets::semanlink(&root.join(".gigsy/relevance/semanlink"))? {
        Some(collection) => collections.push(collection),
        None => println!("SKIPPED semanlink: run scripts/relevance-collection"),
    }
    let fusion = Weights::compiled()?.fusion;
    let mut report = Report {
        date: machine::date(),
        commit: machine::commit(),
        command: "make relevance".to_owned(),
        model: String::new(),
        fusion: format!(
            "reciprocal rank fusion, k {}, text {}, whole {}, vectors {}, of names {}",
            fusion.k, fusion.text, fusion.whole, fusion.vectors, fusion.vectors_of_names
        ),
        rows: Vec::new(),
        differences: Vec::new(),
    };
    for backend in retrieve::backends().await? {
        report.model = backend.model();
        for collection in &collections {
            let chosen: Vec<&Set> = collection
                .sets
                .iter()
                .filter(|set| options.only.as_ref().is_none_or(|only| set.name.contains(only.as_str())))
                .collect();
            if !chosen.is_empty() {
                backend.fill(collection).await?;
            }
            for set in chosen {
                one_set(&backend, collection, set, &fusion, options, &mut report).await?;
            }
        }
        backend.close().await;
    }
    if options.only.is_none() && options.weights.is_empty() && options.k.is_empty() {
        let path = root.join("docs/relevance/latest.json");
        fs::write(&path, serde_json::to_string_pretty(&report)? + "\n")?;
        println!("written: {}", path.display());
    }
    Ok(())
}

async fn one_set(
    backend: &Backend,
    collection: &Collection,
    set: &Set,
    fusion: &FusionWeights,
    options: &Options,
    report: &mut Report,
) -> Outcome<()> {
    let mut answers: Vec<Lists> = Vec::with_capacity(set.questions.len());
    for question in &set.questions {
        answers.push(backend.ask(collection, &question.text).await?);
    }
    if let Some(path) = &options.dump {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        for (question, lists) in set.questions.iter().zip(&answers) {
            let line = json!({
                "set": set.name, "backend": backend.name(), "query": question.text, "style": question.style,
                "grades": question.grades, "text": lists.text, "said": lists.said,
                "vectors": lists.vectors, "whole": lists.whole, "alike": lists.alike,
            });
            writeln!(file, "{line}")?;
        }
    }
    let fused = |k: f64, weight: Option<f64>| -> Vec<Vec<usize>> {
        answers
            .iter()
            .map(|lists| {
                let weights = match weight {
                    Some(vectors) => FusionWeights { vectors, vectors_of_names: vectors, ..fusion.clone() },
                    None => fusion.clone(),
                };
                let lists = weights.searched(&lists.text, &lists.whole, &lists.vectors);
                fuse(&lists, k).into_iter().map(|(id, _)| id).collect()
            })
            .collect()
    };
    let mut rankings: Vec<(String, Vec<Vec<usize>>)> = vec![
        ("text".to_owned(), answers.iter().map(|lists| lists.text.clone()).collect()),
        ("vectors".to_owned(), answers.iter().map(|lists| lists.vectors.clone()).collect()),
        ("fused".to_owned(), fused(fusion.k, None)),
    ];
    for k in options.k.iter().copied().chain(std::iter::once(fusion.k)) {
        for weight in options.weights.iter().copied().chain(options.k.first().map(|_| fusion.vectors)) {
            rankings.push((format!("fused, k {k}, vectors {weight}"), fused(k, Some(weight))));
        }
    }
    println!("\n{} · {} · {} queries", set.name, backend.name(), set.questions.len());
    println!("{:<28} {:<24} {:<24} MRR", "", "nDCG@10", "recall@50");
    let mut by_retriever = BTreeMap::new();
    for (retriever, lists) in &rankings {
        let each = |measure: &dyn Fn(&[usize], &measures::Grades) -> f64| -> Vec<f64> {
            lists.iter().zip(&set.questions).map(|(list, question)| measure(list, &question.grades)).collect()
        };
        let gains = each(&|list, grades| ndcg(list, grades, 10));
        let (n, r, m) = (
            bootstrap(&gains),
            bootstrap(&each(&|list, grades| recall(list, grades, 50))),
            bootstrap(&each(&reciprocal_rank)),
        );
        println!("{retriever:<28} {:<24} {:<24} {}", show(n), show(r), show(m));
        if options.styles {
            let mut styles: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
            for (gain, question) in gains.iter().zip(&set.questions) {
                styles.entry(&question.style).or_default().push(*gain);
            }
            for (style, gains) in styles {
                println!(
                    "  {style:<26} {:.3} of {}",
                    gains.iter().sum::<f64>() / gains.len() as f64,
                    gains.len()
                );
            }
        }
        if !retriever.contains(',') {
            report.rows.push(row(set, retriever, backend.name(), [n, r, m]));
            by_retriever.insert(retriever.as_str(), gains);
        }
    }
    let mean = |name: &str| by_retriever[name].iter().sum::<f64>();
    let best = if mean("text") >= mean("vectors") { "text" } else { "vectors" };
    let gap: Vec<f64> = by_retriever["fused"].iter().zip(&by_retriever[best]).map(|(a, b)| a - b).collect();
    let gap = bootstrap(&gap);
    println!("fused over {best:<17} {}", show(gap));
    report.differences.push(Difference {
        set: set.name.clone(),
        backend: backend.name(),
        over: best.to_owned(),
        ndcg_at_10: rounded(gap.mean),
        ci_low: rounded(gap.low),
        ci_high: rounded(gap.high),
    });
    Ok(())
}

fn row(set: &Set, retriever: &str, backend: &'static str, [n, r, m]: [Interval; 3]) -> Row {
    Row {
        set: set.name.clone(),
        retriever: retriever.to_owned(),
        backend,
        ndcg_at_10: rounded(n.mean),
        ci_low: rounded(n.low),
        ci_high: rounded(n.high),
        queries: set.questions.len(),
        recall_at_50: rounded(r.mean),
        recall_ci_low: rounded(r.low),
        recall_ci_high: rounded(r.high),
        mrr: rounded(m.mean),
        mrr_ci_low: rounded(m.low),
        mrr_ci_high: rounded(m.high),
    }
}

fn show(interval: Interval) -> String {
    format!("{:.3} [{:.3}, {:.3}]", interval.mean, interval.low, interval.high)
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
