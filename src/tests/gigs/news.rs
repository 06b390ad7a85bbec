//! What follows from events: the contract's room with its system messages, and news on channels.

use diesel_async::{AsyncConnection, RunQueryDsl};
use futures_util::FutureExt;

use super::world::{World, person};
use crate::{
    contexts::{
        chat::{Chat, HistoryForm, RoomId},
        gigs::{Live, consumers},
    },
    events::{Consumer, Envelope},
    principal::Role,
    realtime::{Channel, ChannelLog, HistoryQuery, Hub, Personal},
    tests::chat::support::Node,
};

pub(super) async fn recorded(world: &World) -> Vec<Envelope> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Jsonb)]
        envelope: serde_json::Value,
    }
    let mut conn = world.database.conn().await.unwrap();
    let rows: Vec<Row> =
        diesel::sql_query("SELECT envelope FROM platform.outbox ORDER BY id").load(&mut conn).await.unwrap();
    rows.into_iter().map(|row| Envelope::from_json(row.envelope).unwrap()).collect()
}

async fn deliver(world: &World, consumer: &dyn Consumer, event: &Envelope) {
    let takes = |pattern: &&str| {
        pattern.split_once('.').map(|(head, _)| head) == event.subject.split_once('.').map(|(head, _)| head)
    };
    if !consumer.subjects().iter().any(takes) {
        return;
    }
    let mut conn = world.database.conn().await.unwrap();
    let after = (*conn).transaction(async |conn| {
        consumer.handle(conn, event).await.map_err(|_| diesel::result::Error::RollbackTransaction)
    });
    for step in after.await.unwrap().into_steps() {
        step();
    }
}

fn published(live: &Live, channel: &Channel) -> Vec<serde_json::Value> {
    let query = HistoryQuery { since: None, limit: 100, reverse: false };
    let page = live.log().page(channel, &query).now_or_never().unwrap().unwrap();
    page.publications.iter().map(|p| serde_json::from_slice(p.data.as_bytes()).unwrap()).collect()
}

#[actix_web::test]
async fn a_contract_has_a_room_where_the_platform_speaks_once() {
    let world = World::new().await;
    let node = Node::on(&world.test).await;
    let hub = Hub::new();
    let live = Live::new(hub.clone(), Personal::new(hub));
    let (client, student) = (person(Role::Client), person(Role::Student));
    let contract = world.contract(&client, &student, &[1_250]).await;
    world.fund(&client, contract.milestones[0].id).await;

    let all = recorded(&world).await;
    for consumer in consumers(&live, &node.chat) {
        for event in all.iter().chain(&all) {
            deliver(&world, &*consumer, event).await;
        }
    }
    let room = RoomId(contract.id.0);
    let form = HistoryForm { room, limit: None, before: None, after: None };
    let history = node.chat.history(student.user_id, &form).await.unwrap();
    let said: Vec<(bool, String)> =
        history.items.iter().map(|item| (item.sender_id == Chat::SYSTEM, item.body.clone())).collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|(system, _)| *system));
    assert!(said.iter().any(|(_, text)| text.contains("12.50 EUR is held")), "{said:?}");

    let gig = published(&live, &Channel::of("gig", contract.gig_id));
    let last = gig.iter().rev().find(|news| news["type"] == "applications").unwrap();
    assert_eq!((&last["applications_count"], &last["accepted"]), (&1.into(), &1.into()));
    let feed = published(&live, &Channel::parse("gigs:feed").unwrap());
    let posted = feed.iter().find(|news| news["type"] == "gig_posted").unwrap();
    assert_eq!(posted["gig"]["id"], serde_json::json!(contract.gig_id));
}
