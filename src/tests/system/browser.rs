//! Chromium at the pages that people see: `src/tests/browser/chat.mjs` does what they do.

use std::{process::Stdio, time::Duration};

use crate::tests::support::{
    sdk::{has_program, node_missing, root},
    server::Server,
    skip::{skip, target_dir},
    wait::within,
};

/// Runs one script; skipped by name where there is nothing to run it with.
async fn visit(name: &'static str, script: &str) {
    if let Some(why) = node_missing() {
        skip!(name, why);
    }
    if !["chromium", "chromium-browser", "google-chrome"].iter().any(|p| has_program(p)) {
        skip!(name, "there is no chromium in PATH");
    }
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
    visit("browser: two people chat in Chromium", "chat.mjs").await;
}

#[actix_web::test]
async fn leaderboards_and_badges_live_in_chromium() {
    visit("browser: leaderboards and badges in Chromium", "game.mjs").await;
}
