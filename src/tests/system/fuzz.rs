//! schemathesis against the served API document: no 5xx, and nothing that the document does not say.

use std::{process::Stdio, time::Duration};

use crate::tests::support::{
    sdk::venv,
    server::{Person, Server},
    skip::{skip, target_dir},
    wait::within,
};

/// The one call that ends the caller's own session whatever it is given: it is fuzzed last, as
/// somebody else, since all that comes after it is a 401. (Changing the password and deleting the
/// account take the password, which no generated input holds.)
const SUICIDAL: &str = "/api/v1/auth/sessions/current";

/// What every answer is held against.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";

#[actix_web::test]
async fn the_api_keeps_what_its_document_says() {
    let program = venv("schemathesis");
    if !program.exists() {
        skip!("API fuzzing with schemathesis", "it is not installed (scripts/setup-tests)");
    }
    let server = Server::demo(&[
        ("GIGSY_LIMIT_SIGN_IN", "1000000"),
        ("GIGSY_LIMIT_CALLS", "10000000"),
        ("GIGSY_LIMIT_COMMANDS", "1000000"),
        ("GIGSY_LOG", "warning"),
    ])
    .await;
    let student = server.sign_in("student@demo.gigsy.test", "gigsy-demo-1").await;
    fuzz(&server, &student, &["--exclude-path", SUICIDAL], "15").await;
    // The same document as an operator sees it.
    let operator = server.operator().await;
    fuzz(&server, &operator, &["--include-path-regex", "^/api/v1/ops"], "15").await;
    let throwaway = server.person("Throwaway").await;
    fuzz(&server, &throwaway, &["--include-path", SUICIDAL], "5").await;
    server.api().get("/readyz").await.expect(200);
}

async fn fuzz(server: &Server, person: &Person, which: &[&str], examples: &str) {
    let mut command = tokio::process::Command::new(venv("schemathesis"));
    command
        .arg("--no-color")
        .arg("run")
        .arg(format!("{}/api/openapi.json", server.base()))
        .args(["--checks", CHECKS])
        .args(["--phases", "examples,coverage,fuzzing"])
        // One worker: CPython 3.11's parser, which hypothesis uses, fails now and then in threads.
        .args(["--workers", "1", "--seed", "20261122", "--no-shrink", "--continue-on-failure"])
        .args(["--suppress-health-check", "all", "--generation-database", "none"])
        .args(["--request-timeout", "20", "--max-failures", "40"])
        .args(["--header", &format!("Authorization: Bearer {}", person.token)])
        .args(["--max-examples", examples])
        .args(which)
        // Its caches belong to the build, not into the checkout.
        .current_dir(target_dir())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let done =
        within("API fuzzing", Duration::from_secs(240), command.output()).await.expect("schemathesis runs");
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}
