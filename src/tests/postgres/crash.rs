//! Deaths of either process at any moment.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;

use super::{Place, alive, ask, kill, run, within};
use crate::postgres::{Database, embedded};

/// Writers note what was acknowledged; the highest of it and all below must be there.
async fn write_until(
    database: Database,
    next: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
) -> (Vec<i64>, Vec<String>) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let id = next.fetch_add(1, Ordering::Relaxed);
        match run(&database, &format!("insert into marks values ({id})")).await {
            Ok(_) => acknowledged.push(id),
            Err(error) => {
                if !error.is_unavailable() {
                    refused.push(format!("{error:?}"));
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
    (acknowledged, refused)
}

#[tokio::test]
async fn the_server_survives_a_kill_of_its_child_and_keeps_what_it_acknowledged() {
    let place = Place::new();
    let database = place.start().await;
    let (next, stop) = (Arc::new(AtomicI64::new(1)), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> = (0..5)
        .map(|_| tokio::spawn(write_until(database.clone(), Arc::clone(&next), Arc::clone(&stop))))
        .collect();
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let pid = database.child_pid().unwrap();
        kill(pid, Signal::KILL);
        let killed = Instant::now();
        let mut down = Duration::ZERO;
        loop {
            match ask(&database, "select 1").await {
                Ok(_) if database.child_pid().is_some_and(|now| now != pid) => break,
                Ok(_) => {}
                Err(error) => {
                    assert!(error.is_unavailable(), "{error:?}");
                    down = killed.elapsed();
                }
            }
            assert!(killed.elapsed() < Duration::from_secs(60), "it does not come back");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        println!("round {round}: back after {:?}, last refusal after {down:?}", killed.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = 0;
    for writer in writers {
        let (ids, refused) = writer.await.unwrap();
        assert_eq!(refused, Vec::<String>::new(), "only 503s");
        acknowledged += ids.len();
        for chunk in ids.chunks(500) {
            let list = chunk.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            let found =
                ask(&database, &format!("select count(*) from marks where id in ({list})")).await.unwrap();
            assert_eq!(found, chunk.len().to_string());
        }
    }
    println!("{acknowledged} acknowledged, all there");
}

#[tokio::test]
async fn a_backend_that_is_busy_does_not_keep_the_server_down() {
    let place = Place::new();
    let database = place.start().await;
    let busy = {
        let database = database.clone();
        // Computing, it does not look whether its postmaster still lives.
        tokio::spawn(
            async move { ask(&database, "select count(*) from generate_series(1, 10000000000) n").await },
        )
    };
    tokio::time::sleep(Duration::from_millis(200)).await;
    let pid = database.child_pid().unwrap();
    kill(pid, Signal::KILL);
    let killed = Instant::now();
    assert!(within(Duration::from_secs(60), || database.child_pid().is_some_and(|now| now != pid)).await);
    while ask(&database, "select 1").await.is_err() {
        assert!(killed.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("back after {:?}", killed.elapsed());
    assert!(busy.await.unwrap().unwrap_err().is_unavailable());
}

/// Runs as a process of its own, started by the tests below; on its own it does nothing.
#[tokio::test]
async fn helper_that_serves_until_it_is_killed() {
    let Some(dir) = std::env::var_os("GIGSY_TEST_HELPER") else { return };
    let place = Place { root: tempfile::tempdir_in(&dir).unwrap() };
    let mut config = place.config();
    config.data.dir = std::path::PathBuf::from(dir).join("data");
    let database = Database::open(&config).await.unwrap_or_else(|e| panic!("{e}"));
    run(&database, "create table if not exists marks (id bigint primary key)").await.unwrap();
    run(&database, "insert into marks select coalesce(max(id), 0) + 1 from marks").await.unwrap();
    println!("\nserving {}", database.child_pid().unwrap());
    std::future::pending().await
}

/// The helper, and its child's process id.
fn helper(place: &Place) -> (std::process::Child, u32) {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["tests::postgres::crash::helper_that_serves_until_it_is_killed", "--exact", "--nocapture"])
        .env("GIGSY_TEST_HELPER", place.root.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let pid = lines.map_while(Result::ok).find_map(|line| line.strip_prefix("serving ")?.parse().ok());
    (process, pid.expect("the helper serves"))
}

#[tokio::test]
async fn the_child_does_not_outlive_its_parent() {
    let place = Place::new();
    let (mut process, pid) = helper(&place);
    process.kill().unwrap();
    let killed = Instant::now();
    process.wait().unwrap();
    assert!(within(Duration::from_secs(5), || !alive(pid)).await);
    println!("gone {:?} after its parent", killed.elapsed());
    let database = place.open().await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ask(&database, "select max(id) from marks").await.unwrap(), "1");
}

#[tokio::test]
async fn a_new_start_right_after_a_kill_takes_over() {
    let place = Place::new();
    for round in 1..=4 {
        let (mut process, pid) = helper(&place);
        if round == 3 {
            // Both at once, as when a container is killed.
            kill(pid, Signal::KILL);
        }
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let began = Instant::now();
    let database = place.open().await.unwrap_or_else(|e| panic!("{e}"));
    println!("up after {:?}", began.elapsed());
    assert_eq!(ask(&database, "select count(*) from marks").await.unwrap(), "4");
}

#[tokio::test]
async fn a_leftover_that_nobody_holds_is_stopped_in_order() {
    let place = Place::new();
    let database = place.start().await;
    run(&database, "insert into marks values (7)").await.unwrap();
    drop(database);
    let config = place.config();
    let options = embedded::Options::new(&config.database, &config.data);
    let mut leftover = embedded::abandon(&options);
    let database = place.open().await.unwrap_or_else(|e| panic!("{e}"));
    assert_ne!(database.child_pid(), Some(leftover.id()));
    assert_eq!(ask(&database, "select max(id) from marks").await.unwrap(), "7");
    // Its own exit code says that it was asked, not killed.
    assert_eq!(leftover.wait().ok().and_then(|status| status.code()).unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_pid_file_from_before_a_power_cut_is_no_obstacle() {
    let place = Place::new();
    drop(place.start().await);
    // The number is now someone else's: ours.
    let text =
        format!("{}\n{}\n1\n5432\n/nowhere\n\n 1 1\nready\n", std::process::id(), place.cluster().display());
    std::fs::write(place.cluster().join("postmaster.pid"), text).unwrap();
    std::fs::write(
        place.dir().join("postgres/socket/.s.PGSQL.5432.lock"),
        format!("{}\n", std::process::id()),
    )
    .unwrap();
    let database = place.open().await.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(ask(&database, "select count(*) from marks").await.unwrap(), "0");
}
