//! The Dockerfile's stages, followed by a script where no engine runs containers, and what comes out run as
//! the image's user.

use std::{
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use super::vps::said;
use crate::tests::support::{
    postgres_server::{PostgresServer, installed},
    sdk::{has_program, root},
    server::binary,
    skip::skip,
    wait::within,
};

/// Why the script cannot work here, if so.
fn missing() -> Option<&'static str> {
    let tried = Command::new("unshare").args(["--mount", "--propagation", "private", "true"]).output();
    if !tried.is_ok_and(|done| done.status.success()) {
        return Some("no mount namespaces for this user (they need root)");
    }
    let programs = ["python3", "git", "objcopy", "readelf", "setpriv", "useradd"];
    programs
        .iter()
        .any(|program| !has_program(program) && !has_program(&format!("../sbin/{program}")))
        .then_some("one of python3, git, binutils, util-linux and passwd is not installed")
}

async fn try_image(arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(root().join("scripts/try-image"));
    command.arg("--binary").arg(binary()).args(arguments).current_dir(root()).kill_on_drop(true);
    within("the image's stages", Duration::from_secs(300), command.output()).await.expect("it runs")
}

#[actix_web::test]
async fn the_all_in_one_image_runs_as_its_unprivileged_user() {
    if let Some(why) = missing() {
        skip!(store "the Dockerfile's stages (all-in-one)", why);
    }
    let done = try_image(&["--target", "all-in-one"]).await;
    assert!(done.status.success(), "{}", said(&done));
    assert!(
        said(&done).contains("all-in-one: healthy as 10001, stopped by SIGTERM in order"),
        "{}",
        said(&done)
    );
}

#[actix_web::test]
async fn the_image_for_stores_by_url_runs_as_its_unprivileged_user() {
    const NAME: &str = "the Dockerfile's stages (stores by URL)";
    if let Some(why) = missing() {
        skip!(store NAME, why);
    }
    let Some(bin) = installed() else { skip!(store NAME, "no PostgreSQL in /usr/lib/postgresql") };
    let postgres = PostgresServer::start(&bin).await;
    let url = format!("DATABASE_URL={}", postgres.url());
    let done = try_image(&["--env", &url]).await;
    assert!(done.status.success(), "{}", said(&done));
    assert!(said(&done).contains("healthy as 10001"), "{}", said(&done));

    // Without a database, and without one inside, it says what it lacks instead of running.
    let done = try_image(&[]).await;
    assert!(!done.status.success() && said(&done).contains("PostgreSQL"), "{}", said(&done));
}

#[test]
fn the_bill_of_materials_names_what_is_compiled_in() {
    if !has_program("python3") {
        skip!("the bill of materials", "no python3");
    }
    let script = "cargo metadata --locked --offline --format-version 1 \
                  --filter-platform \"$(rustc --print host-tuple)\" | scripts/sbom --with-postgres";
    let make = || Command::new("sh").args(["-ec", script]).current_dir(root()).output().expect("it runs");
    let done = make();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.stdout, make().stdout, "the same lock file gives the same document");
    let document: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    assert_eq!(
        (document["bomFormat"].as_str(), document["specVersion"].as_str()),
        (Some("CycloneDX"), Some("1.6"))
    );
    let components = document["components"].as_array().expect("components");
    let named = |name: &str| components.iter().find(|c| c["name"] == name);
    for name in ["actix", "diesel", "rustls", "tokio", "embedded-postgres"] {
        assert!(named(name).is_some(), "no {name}");
    }
    for name in ["proptest", "awc", "gigsy"] {
        assert!(named(name).is_none(), "{name} is not compiled in");
    }
    let hash = |c: &Value| c["hashes"][0]["content"].as_str().is_some_and(|h| h.len() == 64);
    let bare: Vec<_> =
        components.iter().filter(|c| !hash(c) || !c["licenses"][0]["expression"].is_string()).collect();
    assert!(bare.is_empty(), "without checksum or licence: {bare:?}");
    let known: std::collections::HashSet<_> = components.iter().map(|c| c["bom-ref"].clone()).collect();
    for entry in document["dependencies"].as_array().expect("dependencies") {
        for need in entry["dependsOn"].as_array().expect("a list") {
            assert!(known.contains(need), "{need} is needed and not named");
        }
    }
}
