//! `gigsy rebuild …`

use clap::Subcommand;

use super::{Failure, output::say};
use crate::{app, config::Config, contexts::gamification::Rebuilt, postgres::Database};

#[derive(Subcommand)]
pub(super) enum RebuildCommand {
    /// Work out everybody's points and badges again by the present rules; a running server follows
    Xp {
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Show at most so many changes
        #[arg(long, default_value_t = 50)]
        show: usize,
    },
}

pub(super) async fn run(config: &Config, what: RebuildCommand) -> Result<(), Failure> {
    let database = Database::attach(config).await?;
    let done = rebuild(config, &database, what).await;
    database.shutdown().await;
    done
}

async fn rebuild(config: &Config, database: &Database, what: RebuildCommand) -> Result<(), Failure> {
    database.migrate().await?;
    let RebuildCommand::Xp { dry_run, show } = what;
    let game = app::game(config, database).await?;
    game.install().await?;
    let bar = indicatif::ProgressBar::new_spinner();
    let done = game
        .rebuild_xp(dry_run, &|what, count| {
            bar.set_message(format!("{what}: {count}"));
            bar.tick();
        })
        .await;
    bar.finish_and_clear();
    report(&done?, dry_run, show);
    Ok(())
}

fn report(done: &Rebuilt, dry_run: bool, show: usize) {
    for change in done.changes.iter().take(show) {
        say(&format!(
            "{}  {}  {}  {} -> {}",
            change.user, change.rule, change.source, change.was, change.now
        ));
    }
    if done.changes.len() > show {
        say(&format!("… and {} more", done.changes.len() - show));
    }
    let points: i64 = done.changes.iter().map(|change| change.now - change.was).sum();
    let verb = if dry_run { "would change" } else { "changed" };
    say(&format!(
        "{} people: {verb} {} entries by {points:+} points, {} badges; {} recorded events had not been taken",
        done.people,
        done.changes.len(),
        done.badges,
        done.missed_events
    ));
}
