//! Backup and restore of the private server.

use super::{Place, ask, run};
use crate::postgres::embedded::{Progress, backup, restore};

/// Both block, as the command line may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn a_backup_taken_while_serving_brings_the_data_back() {
    let place = Place::new();
    let file = place.root.path().join("gigsy.dump");
    let database = place.start().await;
    database.migrate().await.unwrap();
    run(&database, "insert into marks select generate_series(1, 1000)").await.unwrap();

    let (config, to) = (place.config(), file.clone());
    let (report, steps) = blocking(move || {
        let mut steps: Vec<Progress> = Vec::new();
        (backup(&config, &to, |step| steps.push(step)), steps)
    })
    .await;
    let report = report.unwrap_or_else(|e| panic!("{e}"));
    println!("{report:?}");
    assert_eq!(report.bytes, std::fs::metadata(&file).unwrap().len());
    assert_eq!(steps.last().map(|step| step.done), Some(report.tables));
    assert!(steps.len() > 2 && steps.is_sorted_by_key(|step| step.done));
    assert_eq!(ask(&database, "select count(*) from marks").await.unwrap(), "1000", "it serves on");

    // Never over an existing file, never under a running server.
    let (config, to) = (place.config(), file.clone());
    assert!(blocking(move || backup(&config, &to, |_| ())).await.unwrap_err().to_string().contains("exists"));
    let (config, from) = (place.config(), file.clone());
    let said = blocking(move || restore(&config, &from, |_| ())).await.unwrap_err().to_string();
    assert!(said.contains("in use by"), "{said}");

    run(&database, "delete from marks where id > 10").await.unwrap();
    drop(database);
    let (config, from) = (place.config(), file.clone());
    let report = blocking(move || restore(&config, &from, |_| ())).await.unwrap_or_else(|e| panic!("{e}"));
    assert!(report.tables >= 2, "{report:?}");
    let database = place.open().await.unwrap();
    assert_eq!(ask(&database, "select count(*) from marks").await.unwrap(), "1000");
    assert_eq!(database.migrations().await.unwrap().pending, 0);
    assert_eq!(
        ask(&database, "select tableowner from pg_tables where tablename = 'marks'").await.unwrap(),
        "gigsy"
    );
    let left = "select count(*) from pg_database where datname like 'gigsy%'";
    assert_eq!(ask(&database, left).await.unwrap(), "1");

    // Into a machine that has nothing yet.
    let elsewhere = Place::new();
    let config = elsewhere.config();
    blocking(move || restore(&config, &file, |_| ())).await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ask(&elsewhere.open().await.unwrap(), "select count(*) from marks").await.unwrap(), "1000");
}

#[tokio::test]
async fn a_broken_backup_changes_nothing() {
    let place = Place::new();
    let file = place.root.path().join("gigsy.dump");
    let database = place.start().await;
    run(&database, "insert into marks select generate_series(1, 20000)").await.unwrap();
    drop(database);
    // Nobody serves: the command starts the server for the while.
    let (config, to) = (place.config(), file.clone());
    blocking(move || backup(&config, &to, |_| ())).await.unwrap_or_else(|e| panic!("{e}"));
    let whole = std::fs::read(&file).unwrap();
    for (name, bytes) in
        [("cut", &whole[..whole.len() - 3000]), ("text", b"hello".as_slice()), ("empty", b"")]
    {
        std::fs::write(&file, bytes).unwrap();
        let (config, from) = (place.config(), file.clone());
        let error = blocking(move || restore(&config, &from, |_| ())).await.err();
        println!("{name}: {}", error.unwrap_or_else(|| panic!("{name} was restored")));
        let database = place.open().await.unwrap();
        assert_eq!(ask(&database, "select count(*) from marks").await.unwrap(), "20000", "{name}");
        let left = "select count(*) from pg_database where datname like 'gigsy%'";
        assert_eq!(ask(&database, left).await.unwrap(), "1", "{name}");
    }
}
