//! `scripts/backup` and `scripts/restore` against a real PostgreSQL server: what was there comes back, a
//! damaged set is refused, and what a restore replaces is kept.

use std::fs;

use serde_json::json;

use super::vps::{Vps, said};
use crate::tests::{
    support::{
        api::Api,
        nginx::free_port,
        postgres_server::{PostgresServer, installed},
        server::{PASSWORD, text},
        skip::skip,
    },
    system::talk::send_for_sure,
};

/// What a room says.
async fn bodies(api: &Api, room: &str) -> Vec<String> {
    let page = api.get(&format!("/api/v1/chat/rooms/{room}/messages?limit=100")).await.expect(200);
    let items = page["items"].as_array().expect("messages").iter();
    let mut bodies: Vec<_> = items.filter_map(|item| item["body"].as_str().map(str::to_owned)).collect();
    bodies.sort();
    bodies
}

/// A digest of the logs' epochs.
const EPOCHS: &str = "select ('x' || substr(md5(string_agg(epoch, ' ' order by epoch)), 1, 8))::bit(32)::bigint \
                      from (select epoch from chat.streams union all select epoch from notifications.streams) s";

#[actix_web::test]
async fn a_backup_is_rehearsed_restored_and_refused_when_it_is_damaged() {
    const NAME: &str = "backup and restore of a PostgreSQL server";
    let Some(bin) = installed() else { skip!(store NAME, "there is none in /usr/lib/postgresql") };
    let postgres = PostgresServer::start(&bin).await;
    let at = free_port();
    let mut vps = Vps::new(&[("gigsy-a", at)], &[("DATABASE_URL", postgres.url_of("gigsy"))]);
    vps.set("STUB_PG_BIN", bin.display().to_string());
    vps.set("PGHOST", "127.0.0.1");
    vps.set("PGPORT", postgres.port().to_string());
    postgres.create("gigsy").await;
    vps.up().await;

    let base = format!("http://{at}");
    let api = Api::new(&base, None);
    let sign_in = async || {
        let form = json!({"email": "ada@example.test", "password": PASSWORD, "device": "test"});
        let session = api.post("/api/v1/auth/sessions", &form).await.expect(201);
        Api::new(&base, Some(&text(&session, "/token")))
    };
    for name in ["ada", "ben", "eve"] {
        let form =
            json!({"email": format!("{name}@example.test"), "password": PASSWORD, "display_name": name});
        api.post("/api/v1/auth/register", &form).await.expect(201);
    }
    let ada = sign_in().await;
    let room = text(
        &ada.post("/api/v1/chat/rooms", &json!({"kind": "group", "name": "Room", "member_ids": []}))
            .await
            .expect(201),
        "/id",
    );
    send_for_sure(&ada, &room, "before-1").await;
    send_for_sure(&ada, &room, "before-2").await;

    let done = vps.script("backup", &["--rehearse"]).await;
    assert!(done.status.success(), "{}", said(&done));
    let mut sets: Vec<_> =
        fs::read_dir(vps.path("backups")).expect("backups").flatten().map(|e| e.path()).collect();
    let set = sets.pop().expect("a set");
    assert!(sets.is_empty(), "{sets:?}");
    assert_eq!(
        fs::read_to_string(set.join("rehearsed")).expect("rehearsed"),
        "3 people\n",
        "{}",
        said(&done)
    );
    let name = format!("backups/{}", set.file_name().and_then(|n| n.to_str()).expect("a plain name"));

    send_for_sure(&ada, &room, "after-1").await;
    let epochs = postgres.ask("gigsy", EPOCHS).await;
    let (pid, now) = (vps.pid("gigsy-a"), ["after-1", "before-1", "before-2"]);
    assert_eq!(bodies(&ada, &room).await, now);

    // A set that is damaged or not complete changes nothing and stops nobody.
    let dump = set.join("postgres.dump");
    let whole = fs::read(&dump).expect("a dump");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(&dump, damaged).expect("written");
    let refused = vps.script("restore", &[&name]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("damaged"), "{}", said(&refused));
    fs::write(&dump, whole).expect("written");
    fs::rename(set.join("complete"), set.join("incomplete")).expect("renamed");
    let refused = vps.script("restore", &[&name]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    fs::rename(set.join("incomplete"), set.join("complete")).expect("renamed");
    assert_eq!((vps.pid("gigsy-a"), bodies(&ada, &room).await), (pid, now.map(str::to_owned).to_vec()));

    let done = vps.script("restore", &[&name]).await;
    assert!(done.status.success(), "{}", said(&done));
    vps.up().await;
    assert_ne!(vps.pid("gigsy-a"), pid, "it was stopped meanwhile");
    let ada = sign_in().await;
    assert_eq!(bodies(&ada, &room).await, ["before-1", "before-2"]);
    assert_ne!(postgres.ask("gigsy", EPOCHS).await, epochs, "clients load anew");
    // And it works: what is written next is kept.
    send_for_sure(&ada, &room, "anew-1").await;
    assert_eq!(bodies(&ada, &room).await, ["anew-1", "before-1", "before-2"]);
    let kept = postgres
        .ask("gigsy_before", "select count(*) from chat.events where client_msg_id = 'after-1'")
        .await;
    assert_eq!(kept, 1, "what the restore replaced is still there");
}
