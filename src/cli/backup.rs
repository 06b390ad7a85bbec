//! `gigsy backup` and `gigsy restore` for the embedded stores.

use std::path::Path;

use super::{Failure, output::say};
use crate::{config::Config, postgres};

pub(super) async fn backup(config: &Config, file: &Path) -> Result<(), Failure> {
    let bytes = postgres::backup(config, file).await?;
    say(&format!("wrote {} ({bytes} bytes)", file.display()));
    Ok(())
}

pub(super) async fn restore(config: &Config, file: &Path, force: bool) -> Result<(), Failure> {
    postgres::restore(config, file, force).await?;
    say(&format!("restored {}", file.display()));
    Ok(())
}
