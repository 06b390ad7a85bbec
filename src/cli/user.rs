//! `gigsy user …`

use clap::Subcommand;

use super::{Failure, output::say};
use crate::{app, config::Config, postgres::Database, principal::Role};

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Give a person a role
    GrantRole {
        /// The person's e-mail address
        email: String,
        /// student, client, mentor, instructor, moderator or operator
        #[arg(value_parser = parse_role)]
        role: Role,
    },
}

fn parse_role(name: &str) -> Result<Role, String> {
    Role::parse(name).ok_or_else(|| format!("the roles are {}", Role::ALL.map(Role::as_str).join(", ")))
}

pub(super) async fn run(config: &Config, command: UserCommand) -> Result<(), Failure> {
    let database = Database::attach(config).await?;
    database.migrate().await?;
    let identity = app::identity(config, &database).await?;
    let done = match command {
        UserCommand::GrantRole { email, role } => {
            identity.grant_role(&email, role).await.map(|()| say(&format!("{email} is now {role}")))
        }
    };
    database.shutdown().await;
    Ok(done?)
}
