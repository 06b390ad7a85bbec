//! A few statements on the private server, by the superuser, outside any pool.

use std::path::Path;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};
use url::Url;

use super::{
    EmbeddedError, NAME, SUPERUSER,
    layout::{Layout, PORT},
};

/// The URL of a database behind a socket.
pub(super) fn url(socket: &Path, port: u16, user: &str, database: &str) -> Url {
    let encode = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => {
                    char::from(byte).to_string()
                }
                other => format!("%{other:02X}"),
            })
            .collect()
    };
    let socket = encode(&socket.to_string_lossy());
    let text = format!("postgres:///{database}?host={socket}&port={port}&user={}", encode(user));
    // Everything in it is encoded; the fallback is there because parsing returns a Result.
    Url::parse(&text).unwrap_or_else(|_| unreachable_url())
}

fn unreachable_url() -> Url {
    #[expect(clippy::unwrap_used, reason = "a constant")]
    Url::parse("postgres:///").unwrap()
}

/// Runs `work` with a superuser's connection to `database`, on this thread.
pub(super) fn with<T>(
    socket: &Path,
    port: u16,
    database: &str,
    work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T, EmbeddedError> {
    let failed = |e: &dyn std::error::Error| EmbeddedError::Start { said: crate::postgres::tls::chain(e) };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| failed(&e))?;
    let done = runtime.block_on(async {
        let mut config = tokio_postgres::Config::new();
        config.host_path(socket).port(port).user(SUPERUSER).dbname(database);
        let (client, connection) = config.connect(NoTls).await?;
        let driven = tokio::spawn(connection);
        let done = work(&client).await;
        std::mem::drop(client);
        // It ends by the client's end; what it failed with is in `done` already.
        let _ = driven.await;
        done
    });
    done.map_err(|e| failed(&e))
}

/// Refuses a server that would lose acknowledged commits when the power goes.
pub(super) fn assert_durable(layout: &Layout) -> Result<(), EmbeddedError> {
    let settings = with(&layout.socket, PORT, SUPERUSER, async |client| {
        let query = "select name, setting from pg_settings \
                     where name in ('fsync', 'full_page_writes', 'synchronous_commit')";
        Ok(rows(client.simple_query(query).await?))
    })?;
    if settings.len() != 3 {
        return Err(EmbeddedError::Start { said: "it does not tell whether it syncs".into() });
    }
    match settings.into_iter().find(|(_, value)| value == "off") {
        None => Ok(()),
        Some((setting, value)) => {
            Err(EmbeddedError::NotDurable { dir: layout.cluster.clone(), setting, value })
        }
    }
}

fn rows(messages: Vec<SimpleQueryMessage>) -> Vec<(String, String)> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((row.try_get(0).ok()??.to_owned(), row.try_get(1).ok()??.to_owned()))
            }
            _ => None,
        })
        .collect()
}

/// Makes the role and the database, if they are not there yet.
pub(super) fn provide(layout: &Layout) -> Result<(), EmbeddedError> {
    let (socket, port) = (&layout.socket, PORT);
    with(socket, port, SUPERUSER, async |client| {
        if client.query_opt("select 1 from pg_roles where rolname = $1", &[&NAME]).await?.is_none() {
            client.batch_execute(&format!("create role {NAME} login")).await?;
        }
        if client.query_opt("select 1 from pg_database where datname = $1", &[&NAME]).await?.is_none() {
            client.batch_execute(&format!("create database {NAME} owner {NAME}")).await?;
        }
        Ok(())
    })?;
    provide_extensions(layout, NAME)
}

/// `vector` can only be made by a superuser, whom the application is not. Without it, all but the
/// vector search works.
pub(super) fn provide_extensions(layout: &Layout, database: &str) -> Result<(), EmbeddedError> {
    with(&layout.socket, PORT, database, async |client| {
        let missing =
            "select 1 from pg_available_extensions where name = 'vector' and installed_version is null";
        if client.query_opt(missing, &[]).await?.is_some() {
            client.batch_execute("create extension if not exists vector").await?;
        }
        Ok(())
    })
}

/// How many tables of ours a database has.
pub(super) fn count_tables(layout: &Layout, database: &str) -> Result<usize, EmbeddedError> {
    with(&layout.socket, PORT, database, async |client| {
        let row = client
            .query_one(
                "select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')",
                &[],
            )
            .await?;
        Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or_default())
    })
}

/// An empty database, fit to be restored into.
pub(super) fn recreate(layout: &Layout, database: &str) -> Result<(), EmbeddedError> {
    drop(layout, database)?;
    with(&layout.socket, PORT, SUPERUSER, async |client| {
        client.batch_execute(&format!("create database {database} owner {NAME} template template0")).await
    })
}

/// Drops a database, if it is there.
pub(super) fn drop(layout: &Layout, database: &str) -> Result<(), EmbeddedError> {
    with(&layout.socket, PORT, SUPERUSER, async |client| {
        client.batch_execute(&format!("drop database if exists {database} with (force)")).await
    })
}

/// Puts `incoming` in the place of the application's database, in one transaction, and drops the old.
pub(super) fn swap(layout: &Layout, incoming: &str, outgoing: &str) -> Result<(), EmbeddedError> {
    drop(layout, outgoing)?;
    with(&layout.socket, PORT, SUPERUSER, async |client| {
        client
            .batch_execute(&format!(
                "begin; alter database {NAME} rename to {outgoing}; alter database {incoming} rename to {NAME}; commit"
            ))
            .await
    })?;
    drop(layout, outgoing)
}
