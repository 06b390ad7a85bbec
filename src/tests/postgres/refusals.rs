//! What is refused at start, and in which words.

use super::{Place, append, ask, run};
use crate::postgres::{Database, embedded};

async fn refusal(place: &Place) -> String {
    place.open().await.err().expect("it is refused").to_string()
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_and_a_command_is_let_in() {
    let place = Place::new();
    let database = place.start().await;
    run(&database, "insert into marks values (1)").await.unwrap();
    let said = refusal(&place).await;
    assert!(said.contains("in use by the gigsy with process id"), "{said}");
    assert!(said.contains(&std::process::id().to_string()), "{said}");
    let beside = Database::attach(&place.config()).await.unwrap();
    assert_eq!(ask(&beside, "select count(*) from marks").await.unwrap(), "1");
    beside.shutdown().await;
    assert_eq!(
        ask(&database, "select count(*) from marks").await.unwrap(),
        "1",
        "the server is not its to stop"
    );
    drop(database);
    place.open().await.unwrap_or_else(|e| panic!("the lock went with the server: {e}"));
}

#[tokio::test]
async fn data_of_another_version_is_refused_with_both_named() {
    let place = Place::new();
    drop(place.start().await);
    std::fs::write(place.cluster().join("PG_VERSION"), "14\n").unwrap();
    let said = refusal(&place).await;
    for word in ["PostgreSQL 14", "version 1", "GIGSY_POSTGRES_BIN", "gigsy backup"] {
        assert!(said.contains(word), "{word} is missing: {said}");
    }
}

#[tokio::test]
async fn a_server_that_would_lose_data_is_refused() {
    for (file, line) in [
        ("postgresql.conf", "fsync = off"),
        ("postgresql.auto.conf", "full_page_writes = off"),
        ("postgresql.conf", "synchronous_commit = off"),
    ] {
        let place = Place::new();
        drop(place.start().await);
        append(&place.cluster().join(file), &format!("\n{line}\n"));
        let said = refusal(&place).await;
        assert!(said.contains(&line.replace(" = ", "=")), "{said}");
        assert!(!place.cluster().join("postmaster.pid").exists(), "it was stopped again");
    }
}

#[tokio::test]
async fn what_the_server_says_reaches_the_operator() {
    let place = Place::new();
    drop(place.start().await);
    append(&place.cluster().join("postgresql.conf"), "\nshared_bufers = 1GB\n");
    let said = refusal(&place).await;
    assert!(said.contains("did not start") && said.contains("shared_bufers"), "{said}");
}

#[tokio::test]
async fn binaries_that_are_none_are_refused_by_the_settings_name() {
    let place = Place::new();
    let mut config = place.config();
    config.database.postgres_bin = Some("/usr/share".into());
    let said = Database::open(&config).await.err().unwrap().to_string();
    assert!(said.starts_with("GIGSY_POSTGRES_BIN=/usr/share: there is no postgres"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_without_its_password() {
    let place = Place::new();
    let mut config = place.config();
    config.database.url = Some("postgres://me:hush@127.0.0.1:1/gigsy".parse().unwrap());
    let said = Database::open(&config).await.err().unwrap().to_string();
    assert!(said.contains("127.0.0.1:1/gigsy") && said.contains("refused"), "{said}");
    assert!(!said.contains("hush"), "{said}");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let place = Place::new();
    std::fs::write(place.dir(), "").unwrap();
    let config = place.config();
    let options = embedded::Options::new(&config.database, &config.data);
    let said = embedded::Cluster::open(options, false).err().unwrap().to_string();
    assert!(said.contains("cannot create the directory"), "{said}");
}
