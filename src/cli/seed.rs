//! `gigsy seed --demo`: people, rooms and history to try things with. Running it twice changes
//! nothing.

use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, output::say};
use crate::{app, config::Config, postgres::Database};

pub(super) fn seed(config: &Config) -> Result<(), Failure> {
    // Rooms are actors, here too.
    actix_web::rt::System::new().block_on(fill(config))
}

async fn fill(config: &Config) -> Result<(), Failure> {
    app::permit_demo(config)?;
    let database = Database::attach(config).await?;
    database.migrate().await?;
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len}") {
        bar.set_style(style);
    }
    let report = bar.clone();
    let done = app::seed_demo(config, &database, &move |step: &str, at: u64, of: u64| {
        report.set_message(step.to_owned());
        report.set_length(of);
        report.set_position(at);
    })
    .await;
    bar.finish_and_clear();
    database.shutdown().await;
    done?;
    say("the demo data is in place");
    Ok(())
}
