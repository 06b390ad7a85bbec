//! `gigsy check`: what each store is, whether it answers, and what to mend.

use std::path::Path;

use super::{Failure, output::say};
use crate::{
    app,
    config::Config,
    ports::{Mode, Store, StoreStatus},
    postgres::Database,
};

pub(super) async fn check(config: &Config, file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(path) => say(&format!("configuration  {}", path.display())),
        None => say("configuration  built-in defaults and the environment (no gigsy.toml)"),
    }
    say(&format!("listen         {}  public {}", config.server.listen, config.public_url()));
    say(&format!("data           {}", config.data.dir.display()));

    let mut well = true;
    match Database::attach(config).await {
        Ok(database) => {
            well &= print(&database.status().await);
            well &= print(&app::chat_log_status(config, Some(&database)).await);
            well &= drift(config, &database).await;
            for status in app::index_statuses(config, &database).await {
                well &= print(&status);
            }
            database.shutdown().await;
        }
        Err(error) => {
            well = false;
            say(&format!("postgres       FAILED  {error}"));
            well &= print(&app::chat_log_status(config, None).await);
        }
    }
    well &= print(&app::bus_status(config).await);
    well &= print(&app::redis_status(config).await);
    well &= print(&app::embeddings_status(config).await);
    match app::mail_status(config).await {
        Ok(status) => well &= print(&status),
        Err(error) => {
            well = false;
            say(&format!("mail           FAILED  {error}"));
        }
    }
    if well { Ok(()) } else { Err("a store needs mending: see above".into()) }
}

/// Whether the indexes hold what can be found.
async fn drift(config: &Config, database: &Database) -> bool {
    let found = match app::discovery(config, database).await {
        Ok(discovery) => discovery.drift().await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let found = match found {
        Ok(found) => found,
        // Whether the stores answer and are migrated is said in lines of their own; before the first start there
        // is nothing to compare.
        Err(error) => {
            say(&format!("indexes        not compared with the truth: {error}"));
            return true;
        }
    };
    let mut well = true;
    for one in &found {
        let state = if one.is_drift() { "DRIFT" } else { "ok" };
        let index = format!("{} {}", one.kind.index(), one.index);
        say(&format!(
            "{index:<14} {state:<6} {} there should be, {} missing, {} too many, {} of before a change, {} on their way",
            one.wanted - one.wordless,
            one.missing,
            one.extra,
            one.stale,
            one.waiting
        ));
        if one.wordless > 0 {
            say(&format!(
                "{:<14} {} have no vector, since no word of theirs means anything",
                "", one.wordless
            ));
        }
        if one.is_drift() {
            well = false;
            let what = if one.index == "text" { "search" } else { "vectors" };
            say(&format!("{:<14} mend: gigsy rebuild {what}", ""));
        }
    }
    well
}

fn print(status: &StoreStatus) -> bool {
    let mode = match status.mode {
        Mode::Embedded => "embedded",
        Mode::Server => "server",
    };
    let state = if status.reachable { "ok" } else { "FAILED" };
    let latency = status.latency_ms.map_or(String::new(), |ms| format!("  {ms:.1} ms"));
    let version = status.version.as_deref().unwrap_or("");
    let detail = status.detail.as_deref().unwrap_or("");
    say(&format!("{:<14} {state:<6} {mode:<8} {version}{latency}  {detail}", status.name));
    if let Some(mend) = &status.mend {
        say(&format!("{:<14} mend: {mend}", ""));
    }
    status.reachable && status.mend.is_none()
}

/// `gigsy check --print-config`
pub(super) fn print_config(config: &Config) -> Result<(), Failure> {
    say(toml::to_string(config)?.trim_end());
    Ok(())
}
