//! `gigsy events …`

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Failure, output::say};
use crate::{
    config::Config,
    events::{self, Letters},
    postgres::Database,
};

#[derive(Subcommand)]
pub(super) enum EventsCommand {
    /// List events that a consumer gave up on, the oldest first
    DeadLetters {
        #[command(flatten)]
        which: Which,
        /// As JSON, one a line
        #[arg(long)]
        json: bool,
    },
    /// Give dead letters to their consumers again; a running server takes them up at once
    Replay {
        #[command(flatten)]
        which: Which,
        /// Every dead letter there is
        #[arg(long, conflicts_with_all = ["consumer", "event"], required_unless_present_any = ["consumer", "event"])]
        all: bool,
    },
}

#[derive(Args)]
pub(super) struct Which {
    /// Only of this consumer
    #[arg(long)]
    consumer: Option<String>,
    /// Only this event
    #[arg(long)]
    event: Option<Uuid>,
}

impl From<Which> for Letters {
    fn from(which: Which) -> Self {
        Self { consumer: which.consumer, event_id: which.event }
    }
}

/// More than anybody reads.
const LIMIT: i64 = 10_000;

pub(super) async fn run(config: &Config, command: EventsCommand) -> Result<(), Failure> {
    let database = Database::attach(config).await?;
    let done = answer(&database, command).await;
    database.shutdown().await;
    done
}

async fn answer(database: &Database, command: EventsCommand) -> Result<(), Failure> {
    database.migrate().await?;
    match command {
        EventsCommand::DeadLetters { which, json } => {
            let letters = events::dead_letters(database, &which.into(), LIMIT).await?;
            if letters.is_empty() && !json {
                say("no dead letters");
            }
            for letter in letters {
                say(&match json {
                    true => serde_json::to_string(&letter)?,
                    false => format!(
                        "{}  {}  {} {}  {}  {} attempts: {}",
                        letter.died_at.format("%Y-%m-%d %H:%M:%S"),
                        letter.consumer,
                        letter.subject,
                        letter.aggregate,
                        letter.event_id,
                        letter.attempts,
                        letter.error
                    ),
                });
            }
        }
        EventsCommand::Replay { which, all: _ } => match events::replay(database, &which.into()).await? {
            1 => say("replayed 1 dead letter"),
            n => say(&format!("replayed {n} dead letters")),
        },
    }
    Ok(())
}
