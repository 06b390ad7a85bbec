//! Chromium at the pages that people see: the scripts in `src/tests/browser` do what they do.

use std::{process::Stdio, time::Duration};

use crate::tests::support::{
    sdk::{has_program, node_missing, root},
    server::Server,
    skip::{skip, target_dir},
    wait::within,
};

/// What keeps a visit from being paid.
fn missing() -> Option<String> {
    if let Some(why) = node_missing() {
        return Some(why);
    }
    let there = ["chromium", "chromium-browser", "google-chrome"].iter().any(|p| has_program(p));
    (!there).then(|| "there is no chromium in PATH".to_owned())
}

/// Runs a script against a server with demo data; its screenshots are in `target/browser`.
async fn visit(script: &str) {
    let server = Server::demo(&[]).await;
    let out = target_dir().join("browser");
    std::fs::create_dir_all(&out).expect("a directory for screenshots");
    let mut command = tokio::process::Command::new("node");
    command
        .arg(root().join("src/tests/browser").join(script))
        .arg(server.base())
        .arg(&out)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let done =
        within("the browser's visit", Duration::from_secs(180), command.output()).await.expect("node runs");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}");
}

#[actix_web::test]
async fn two_people_chat_in_chromium_and_an_operator_watches() {
    if let Some(why) = missing() {
        skip!("browser: two people chat in Chromium", why);
    }
    visit("chat.mjs").await;
}

#[actix_web::test]
async fn a_client_and_a_student_walk_through_a_contract_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: a contract in Chromium", why);
    }
    visit("gigs.mjs").await;
}
