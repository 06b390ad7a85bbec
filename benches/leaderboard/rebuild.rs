//! Making a board from the ledger: a private PostgreSQL with an entry for everybody, read as a board does it.

use std::{path::Path, time::Instant};

use diesel_async::SimpleAsyncConnection;
use gigsy::{app, config, postgres::Database};

use super::kit::{Outcome, usage, usage::CpuReading};

/// ms on the clock, ms of this process's CPU, ms of PostgreSQL's; for each round.
pub fn measure(members: usize, rounds: usize) -> Outcome<Vec<[f64; 3]>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let folder = tempfile::Builder::new().prefix("gigsy-bench-").tempdir()?;
    runtime.block_on(all(members, rounds, folder.path()))
}

async fn all(members: usize, rounds: usize, folder: &Path) -> Outcome<Vec<[f64; 3]>> {
    let mut config = config::load()?.config;
    (config.data.dir, config.database.url) = (folder.to_owned(), None);
    let database = Database::attach(&config).await?;
    let done = measured(members, rounds, &config, &database).await;
    database.shutdown().await;
    done
}

async fn measured(
    members: usize,
    rounds: usize,
    config: &config::Config,
    database: &Database,
) -> Outcome<Vec<[f64; 3]>> {
    database.migrate().await?;
    // Earned over a year: some of it this month, this week, today.
    let fill = format!(
        "create temp table people as select gen_random_uuid() as id, n from generate_series(1, {members}) n;
         insert into gamification.members (user_id) select id from people;
         insert into gamification.ledger (user_id, rule, source, rule_version, points, at)
         select id, 'bench', 'bench', 1, 1 + (n * 7919::bigint) % 100000, now() - random() * interval '365 days'
         from people;
         analyze gamification.ledger"
    );
    database.conn().await?.batch_execute(&fill).await?;
    let game = app::game(config, database).await?;
    let mut found = Vec::new();
    for _ in 0..rounds {
        let readings = || {
            let own = std::process::id();
            [CpuReading::of(&[own]), CpuReading::of(&usage::descendants(own))]
        };
        let (before, began) = (readings(), Instant::now());
        let done = game.rebuild_boards(None, &|_| {}).await?;
        let took = began.elapsed();
        let after = readings();
        assert_eq!(done.boards[0].people, members, "a board without somebody");
        let [own, theirs] = [0, 1].map(|i: usize| after[i].since(&before[i]).as_secs_f64() * 1e3);
        found.push([took.as_secs_f64() * 1e3, own, theirs]);
    }
    Ok(found)
}
