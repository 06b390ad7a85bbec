//! `gigsy rebuild …`

use clap::Subcommand;
use indicatif::ProgressBar;

use super::{Failure, output::say};
use crate::{
    app,
    config::Config,
    contexts::{
        chat,
        gamification::{Copied, Rebuilt},
        notifications,
    },
    postgres::Database,
};

#[derive(Subcommand)]
pub(super) enum RebuildCommand {
    /// Make the messages of every room again from its log; a running server goes on
    Chat {
        /// After a restore from a backup: give every log a new epoch, people's own too, so that clients
        /// load anew
        #[arg(long)]
        new_epoch: bool,
    },
    /// Read every leaderboard from the ledger again, and write its copy in Redis; a running server follows
    Leaderboards,
    /// Make the text index of gigs, courses, people and mentors again from the truth; searches go on
    Search,
    /// Make their vectors again from the truth; searches go on
    Vectors,
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
    match what {
        RebuildCommand::Chat { new_epoch } => rebuild_chat(config, database, new_epoch).await,
        RebuildCommand::Leaderboards => rebuild_boards(config, database).await,
        RebuildCommand::Search => rebuild_index(config, database, false).await,
        RebuildCommand::Vectors => rebuild_index(config, database, true).await,
        RebuildCommand::Xp { dry_run, show } => rebuild_xp(config, database, dry_run, show).await,
    }
}

async fn rebuild_chat(config: &Config, database: &Database, new_epoch: bool) -> Result<(), Failure> {
    let log = app::chat_log(config, database).await?;
    let rooms = chat::all_tops(&*log).await?;
    let bar = ProgressBar::new(rooms.len() as u64);
    let mut events = 0;
    for (room, _) in &rooms {
        events += log.refold(*room).await?;
        if new_epoch {
            log.renew(*room).await?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if new_epoch {
        let logs = notifications::renew_logs(database).await?;
        say(&format!("renewed the epochs of {} rooms and {logs} people's logs", rooms.len()));
    }
    say(&format!("made the messages of {} rooms again from {events} events", rooms.len()));
    Ok(())
}

async fn rebuild_boards(config: &Config, database: &Database) -> Result<(), Failure> {
    let game = app::game(config, database).await?;
    let copies = app::board_copies(config).await?;
    let bar = ProgressBar::new_spinner();
    let done = game
        .rebuild_boards(copies.as_ref(), &|board| {
            bar.set_message(board.to_string());
            bar.tick();
        })
        .await;
    bar.finish_and_clear();
    let done = done?;
    for board in &done.boards {
        let copy = match board.copy {
            Copied::Written => "its copy is written",
            Copied::Kept => "a running server keeps its copy, and makes it anew",
            Copied::No => "no copy",
        };
        say(&format!("{}  {} people  {copy}", board.board, board.people));
    }
    say(&format!(
        "{} boards; {} credits and {} boards were missing; running servers read theirs again within a second",
        done.boards.len(),
        done.credits,
        done.noted
    ));
    Ok(())
}

async fn rebuild_index(config: &Config, database: &Database, vectors: bool) -> Result<(), Failure> {
    let discovery = app::discovery(config, database).await?;
    let bar = ProgressBar::new(0);
    let show = |index: &str, done: u64, of: u64| {
        bar.set_message(index.to_owned());
        bar.set_length(of);
        bar.set_position(done);
    };
    let done = match vectors {
        true => discovery.rebuild_vectors(&show).await,
        false => discovery.rebuild_text(&show).await,
    };
    bar.finish_and_clear();
    let what = if vectors { "vectors" } else { "text index" };
    for one in done? {
        say(&format!("{:<8} {} documents", one.kind.index(), one.documents));
    }
    say(&format!("the {what} was made again and swapped in"));
    Ok(())
}

async fn rebuild_xp(config: &Config, database: &Database, dry_run: bool, show: usize) -> Result<(), Failure> {
    let game = app::game(config, database).await?;
    game.install().await?;
    let bar = ProgressBar::new_spinner();
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
        let (user, rule, source) = (change.user, &change.rule, &change.source);
        say(&format!("{user}  {rule}  {source}  {} -> {}", change.was, change.now));
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
