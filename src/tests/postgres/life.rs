//! First start, warm start, stop; privacy; whom it runs as.

use std::{os::unix::fs::MetadataExt, time::Instant};

use super::{Place, alive, ask, run};
use crate::postgres::embedded::{Binaries, Cluster, Identity, Options};

#[tokio::test]
async fn a_warm_start_finds_the_data() {
    let place = Place::new();
    let began = Instant::now();
    let database = place.start().await;
    let first = began.elapsed();
    run(&database, "insert into marks values (1), (2)").await.unwrap();
    let pid = database.child_pid().unwrap();
    let began = Instant::now();
    database.shutdown().await;
    let stop = began.elapsed();
    assert!(!alive(pid));
    assert!(database.conn().await.err().unwrap().is_unavailable());
    drop(database);

    let began = Instant::now();
    let database = place.open().await.unwrap();
    let warm = began.elapsed();
    assert_eq!(ask(&database, "select count(*) from marks").await.unwrap(), "2");
    println!("first start {first:?}, stop {stop:?}, warm start {warm:?}");
    assert!(warm.as_millis() < 1500, "{warm:?}");
}

#[tokio::test]
async fn dropping_the_last_handle_stops_the_server() {
    let place = Place::new();
    let database = place.start().await;
    let pid = database.child_pid().unwrap();
    drop(database);
    assert!(!alive(pid));
}

#[tokio::test]
async fn it_is_private_and_durable() {
    let place = Place::new();
    let database = place.start().await;
    for dir in ["", "postgres", "postgres/cluster", "postgres/socket"] {
        let mode = std::fs::metadata(place.dir().join(dir)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o700, "{dir}");
    }
    for (setting, value) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("is_superuser", "off"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
    ] {
        let found = ask(&database, &format!("select current_setting('{setting}')")).await.unwrap();
        assert_eq!(found, value, "{setting}");
    }
    // Umlauts are letters, whatever the system's locale.
    assert_eq!(ask(&database, "select lower('ÄÖÜ')").await.unwrap(), "äöü");
}

#[tokio::test]
async fn a_data_directory_with_a_very_long_path_serves_too() {
    let outer = Place::new();
    let long = outer.root.path().join("x".repeat(100)).join("y".repeat(100));
    std::fs::create_dir_all(&long).unwrap();
    let place = Place { root: tempfile::tempdir_in(long).unwrap() };
    let database = place.start().await;
    let beside = crate::postgres::Database::attach(&place.config()).await.unwrap();
    assert_eq!(ask(&beside, "select count(*) from marks").await.unwrap(), "0");
    let dir = database.place().rsplit_once('/').unwrap().0.to_owned();
    database.shutdown().await;
    std::fs::remove_dir_all(dir).unwrap();
}

/// Each way to run as root, below a directory that only root may enter. As an ordinary user there is
/// nothing to choose.
#[test]
fn root_has_a_server_of_its_own_below_a_closed_home() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let nobody = (65_534, 65_534);
    for (identity, may_fail) in [
        (Identity::Mapped { uid: nobody.0, gid: nobody.1 }, false),
        (Identity::User { uid: nobody.0, gid: nobody.1, reach: true }, false),
        // Below a closed home it cannot work.
        (Identity::User { uid: nobody.0, gid: nobody.1, reach: false }, true),
    ] {
        let place = Place::new();
        let mut options = Options::new(&place.config().database, &place.config().data);
        options.identity = Some(identity.clone());
        let cluster = match Cluster::open(options.clone(), false) {
            Ok(cluster) => cluster,
            Err(error) if may_fail => {
                println!("{identity}: {error}");
                continue;
            }
            Err(error) => panic!("{identity}: {error}"),
        };
        assert!(!may_fail, "{identity}");
        let pid = cluster.pid().unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:\t")).unwrap();
        let capabilities = u64::from_str_radix(capabilities.trim(), 16).unwrap();
        let expected = if matches!(identity, Identity::User { .. }) { 1 << 1 } else { 0 };
        assert_eq!(capabilities, expected, "{identity}");
        cluster.stop();
        assert!(!alive(pid));
        // What was once handed over stays usable without being told.
        options.identity = None;
        Cluster::open(options, false).unwrap_or_else(|e| panic!("{identity}, again: {e}")).stop();
    }
}

/// The same over the machine's own PostgreSQL, where there is one of another version.
#[tokio::test]
async fn another_version_serves_as_well() {
    let debian = std::path::Path::new("/usr/lib/postgresql/15/bin");
    if Binaries::find(Some(debian), None, debian).is_err() {
        return;
    }
    let place = Place::new();
    let mut config = place.config();
    config.database.postgres_bin = Some(debian.to_owned());
    let database = crate::postgres::Database::open(&config).await.unwrap();
    assert!(ask(&database, "select version()").await.unwrap().starts_with("PostgreSQL 15"));
    assert_eq!(ask(&database, "select lower('ÄÖÜ')").await.unwrap(), "äöü");
    drop(database);
    // The cluster's version decides which of the binaries found is taken.
    let database = place.open().await.unwrap_or_else(|e| panic!("{e}"));
    assert!(ask(&database, "select version()").await.unwrap().starts_with("PostgreSQL 15"));
}
