//! Chromium at the pages that people see: the scripts in `src/tests/browser` do what they do.

use std::{process::Stdio, time::Duration};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::tests::support::{
    sdk::{has_program, node_missing, root},
    server::Server,
    skip::{skip, target_dir},
    sql,
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
async fn the_bell_counts_in_every_window() {
    let name = "browser: notifications in Chromium";
    if let Some(why) = node_missing() {
        skip!(name, why);
    }
    if !["chromium", "chromium-browser", "google-chrome"].iter().any(|p| has_program(p)) {
        skip!(name, "there is no chromium in PATH");
    }
    let server = Server::demo(&[]).await;
    let student = server.sign_in("student@demo.gigsy.test", "gigsy-demo-1").await;
    let out = target_dir().join("browser");
    std::fs::create_dir_all(&out).expect("a directory for screenshots");
    let mut browser = tokio::process::Command::new("node")
        .arg(root().join("src/tests/browser/notifications.mjs"))
        .arg(server.base())
        .arg(&out)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs");
    let mut answers = browser.stdin.take().expect("piped");
    let mut lines = BufReader::new(browser.stdout.take().expect("piped")).lines();
    let mut said = String::new();
    let data = json!({ "student_id": student.id, "gig_title": "A poster" });
    let visit = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if line == "@tell" {
                sql::record(&server, "application.rejected", &data, 1).await;
                let _ = answers.write_all(b"told\n").await;
            }
            said.push_str(&line);
            said.push('\n');
        }
        browser.wait().await.expect("node ends")
    };
    let status = within("the browser's visit", Duration::from_secs(180), visit).await;
    if let Some(mut complaints) = browser.stderr.take() {
        let _ = complaints.read_to_string(&mut said).await;
    }
    assert!(status.success(), "{said}");
}

#[actix_web::test]
async fn two_people_chat_in_chromium_and_an_operator_watches() {
    if let Some(why) = missing() {
        skip!("browser: two people chat in Chromium", why);
    }
    visit("chat.mjs").await;
}

#[actix_web::test]
async fn threads_drafts_and_moderation_work_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: a room's further sides in Chromium", why);
    }
    visit("rooms.mjs").await;
}

#[actix_web::test]
async fn a_client_and_a_student_walk_through_a_contract_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: a contract in Chromium", why);
    }
    visit("gigs.mjs").await;
}

#[actix_web::test]
async fn a_student_takes_a_course_by_keyboard_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: a course in Chromium", why);
    }
    visit("learning.mjs").await;
}

#[actix_web::test]
async fn an_instructor_runs_a_live_quiz_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: a live quiz in Chromium", why);
    }
    visit("live-quiz.mjs").await;
}

#[actix_web::test]
async fn somebody_takes_their_data_along_and_is_forgotten_while_they_watch() {
    if let Some(why) = missing() {
        skip!("browser: data rights in Chromium", why);
    }
    visit("privacy.mjs").await;
}

#[actix_web::test]
async fn released_work_shows_in_a_portfolio_while_somebody_looks() {
    if let Some(why) = missing() {
        skip!("browser: a portfolio in Chromium", why);
    }
    visit("portfolio.mjs").await;
}

#[actix_web::test]
async fn a_mentor_is_found_booked_and_confirms_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: mentors in Chromium", why);
    }
    visit("mentors.mjs").await;
}

#[actix_web::test]
async fn a_student_searches_by_keyboard_and_hears_of_a_gig_that_fits() {
    if let Some(why) = missing() {
        skip!("browser: search in Chromium", why);
    }
    visit("search.mjs").await;
}

#[actix_web::test]
async fn leaderboards_and_badges_live_in_chromium() {
    if let Some(why) = missing() {
        skip!("browser: leaderboards and badges in Chromium", why);
    }
    visit("game.mjs").await;
}
