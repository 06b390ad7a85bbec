//! The house rules that a compiler does not know.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::http::{openapi, router::ROUTES};

#[path = "../../../benches/kit/figures.rs"]
mod figures;

#[test]
fn the_readme_has_the_figures_that_were_measured() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(repository.join("README.md")).unwrap();
    assert_eq!(figures::rendered(repository).unwrap(), readme, "run scripts/figures");
}

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(under), &mut found);
    assert!(!found.is_empty(), "no sources under {under}");
    found
}

const CONTEXTS: [&str; 12] = [
    "activity",
    "career",
    "identity",
    "chat",
    "gigs",
    "ledger",
    "notifications",
    "gamification",
    "objects",
    "learning",
    "privacy",
    "discovery",
];

#[test]
fn contexts_meet_through_their_front_door_only() {
    for context in CONTEXTS {
        for other in CONTEXTS.into_iter().filter(|other| *other != context) {
            for (path, text) in sources(&format!("contexts/{context}")) {
                for inner in ["store", "service", "handlers", "model"] {
                    let reach = format!("{other}::{inner}");
                    assert!(!text.contains(&reach), "{} reaches into {reach}", path.display());
                }
                let table = format!("\"{other}.");
                assert!(!text.contains(&table), "{} names a table of {other}", path.display());
                for clause in ["from", "join", "into", "update"] {
                    let sql = format!("{clause} {other}.");
                    assert!(
                        !text.to_lowercase().contains(&sql),
                        "{} queries a table of {other}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn only_the_wiring_names_adapters() {
    for (path, text) in sources("") {
        let place = path.to_string_lossy();
        let allowed = place.contains("/tests/")
            || place.contains("/store/")
            || place.ends_with("src/app.rs")
            || place.contains("/src/app/")
            || place.contains("/src/cli/")
            || place.contains("/ports/");
        if !allowed {
            for adapter in ["PostgresStore", "FileMail", "SmtpMail", "PgStore"] {
                let used = text.lines().any(|line| {
                    let line = line.trim_start();
                    !line.starts_with("//") && line.contains(adapter)
                });
                assert!(!used, "{} names the adapter {adapter}", path.display());
            }
        }
    }
}

/// Paths that are pages, sockets or machinery, and no part of the API document.
const UNDOCUMENTED: &[&str] = &[
    "/",
    "/ops",
    "/docs",
    "/mentors",
    "/privacy",
    "/search",
    "/verify-email",
    "/reset-password",
    "/badges/{id}",
    "/unsubscribe",
    "/assets/{file:.*}",
    "/verify/{id}",
    "/.well-known/did.json",
    "/credentials/status/{list}",
    // Signed by us, as an object store's own URLs are.
    "/objects/{token}",
    "/calendar/{secret}",
    "/p/{slug}",
    "/api/openapi.json",
    "/push-worker.js",
    "/connection/websocket",
];

#[test]
fn the_api_document_and_the_router_agree() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    let documented: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .unwrap()
                .keys()
                .filter(|key| ["get", "post", "put", "patch", "delete"].contains(&key.as_str()))
                .map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let routed: BTreeSet<(String, String)> = ROUTES
        .iter()
        .filter(|(_, path)| !UNDOCUMENTED.contains(path))
        .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    let missing: Vec<_> = routed.difference(&documented).collect();
    let dangling: Vec<_> = documented.difference(&routed).collect();
    assert!(missing.is_empty(), "routed and not documented: {missing:?}");
    assert!(dangling.is_empty(), "documented and not routed: {dangling:?}");
}

#[test]
fn the_document_is_openapi_3_1_and_every_reference_in_it_resolves() {
    let document = serde_json::to_value(openapi::document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut references = BTreeSet::new();
    fn collect(value: &serde_json::Value, references: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(serde_json::Value::String(to)) = map.get("$ref") {
                    references.insert(to.clone());
                }
                map.values().for_each(|v| collect(v, references));
            }
            serde_json::Value::Array(items) => items.iter().for_each(|v| collect(v, references)),
            _ => {}
        }
    }
    collect(&document, &mut references);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("local references only");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[test]
fn every_file_stays_pleasant_to_scroll() {
    for (path, text) in sources("") {
        let lines = text.lines().count();
        assert!(lines <= 700, "{} has {lines} lines: make it a folder", path.display());
    }
}
