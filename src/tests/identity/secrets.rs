//! What the database and the log hold of secrets: nothing that lets anybody in.

use diesel::{QueryableByName, sql_types::Text};
use diesel_async::RunQueryDsl;

use super::world::{PASSWORD, world};
use crate::contexts::identity::ResetRequestForm;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

#[tokio::test]
async fn no_token_and_no_password_is_stored_in_clear() {
    let w = world().await;
    let (opened, who) = w.person("lina@example.org").await;
    w.identity.request_password_reset(&ResetRequestForm { email: "lina@example.org".into() }).await.unwrap();
    let secrets = [
        opened.token.reveal().to_owned(),
        w.mail.token("lina@example.org", "verify-email").unwrap(),
        w.mail.awaited_token("lina@example.org", "reset-password").await,
        w.identity.realtime_token(&who).token,
        PASSWORD.to_owned(),
    ];
    let mut conn = w.database.conn().await.unwrap();
    let mut rows = Vec::new();
    for table in ["users", "sessions", "links", "sign_in_failures", "known_networks"] {
        let query = diesel::sql_query(format!("select t::text as row from identity.{table} t"));
        rows.extend(query.load::<Row>(&mut conn).await.unwrap());
    }
    assert!(rows.len() >= 4, "there is something to look at");
    for secret in secrets {
        // Also what `bytea` would show of it, with and without the prefix.
        for form in [secret.clone(), hex(secret.as_bytes()), hex(&secret.as_bytes()[3..])] {
            assert!(!rows.iter().any(|Row { row }| row.contains(&form)), "stored in clear");
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn nothing_that_is_debugged_shows_a_secret() {
    let w = world().await;
    let (opened, _) = w.person("lina@example.org").await;
    let shown = format!("{opened:?} {:?}", w.mail.letters());
    let token = w.mail.token("lina@example.org", "verify-email").unwrap();
    for secret in [opened.token.reveal(), &token, "lina@example.org"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
