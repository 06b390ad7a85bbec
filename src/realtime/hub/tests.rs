//! Interest, presence and loss, with shards that only collect.

use std::sync::Mutex;

use uuid::Uuid;

use super::*;
use crate::realtime::{
    protocol::json::Json,
    shard::message::{ConnId, ToConn},
};

fn attach(hub: &Hub, port: Arc<dyn ShardPort>) -> ShardId {
    let id = hub.reserve().unwrap();
    hub.connect(id, port);
    id
}

struct Collector {
    got: Mutex<Vec<ToShard>>,
    room: usize,
}

impl Collector {
    fn with_room(room: usize) -> Arc<Self> {
        Arc::new(Self { got: Mutex::default(), room })
    }

    fn take(&self) -> Vec<ToShard> {
        std::mem::take(&mut *self.got.lock().unwrap())
    }
}

impl ShardPort for Collector {
    fn tell(&self, message: ToShard) -> Result<(), ToShard> {
        let mut got = self.got.lock().unwrap();
        if got.len() >= self.room {
            return Err(message);
        }
        got.push(message);
        Ok(())
    }
}

fn info(user: u128) -> Arc<ClientInfo> {
    Arc::new(ClientInfo {
        user: UserId(Uuid::from_u128(user)),
        client: ClientId::new(),
        conn_info: None,
        chan_info: None,
    })
}

fn publication(offset: u64) -> Publication {
    Publication::at(offset, Json::of(&offset).unwrap())
}

#[test]
fn only_interested_shards_hear_and_interest_ends_with_its_last_member() {
    let (hub, channel) = (Hub::new(), Channel::of("chat", "1"));
    let (a, b) = (Collector::with_room(9), Collector::with_room(9));
    let ids = [attach(&hub, a.clone()), attach(&hub, b.clone())];
    let (first, second) =
        (hub.join(&channel, ids[1], Format::Json), hub.join(&channel, ids[1], Format::Json));
    hub.publish(&channel, &publication(1));
    assert_eq!((a.take().len(), b.take().len()), (0, 1));
    drop(first);
    hub.publish(&channel, &publication(2));
    assert_eq!(b.take().len(), 1);
    drop(second);
    hub.publish(&channel, &publication(3));
    assert_eq!(b.take().len(), 0);
    assert_eq!(hub.channels(), 0, "an empty channel is forgotten");
}

#[test]
fn a_publication_is_encoded_in_the_forms_that_are_spoken_and_no_other() {
    let (hub, channel) = (Hub::new(), Channel::of("chat", "1"));
    let shards = [(); 2].map(|()| Collector::with_room(99));
    let ids = shards.each_ref().map(|shard| attach(&hub, shard.clone()));
    let encoded = |offset: u64| {
        let author = UserId(Uuid::nil());
        let veiled = Some(Box::new(crate::realtime::Veiled { author, data: Some(Json::empty_object()) }));
        hub.publish(&channel, &Publication { veiled, ..publication(offset) });
        let told = shards.iter().flat_map(|shard| shard.take());
        told.map(|message| {
            let ToShard::Fanout(fanout) = message else { panic!("{message:?}") };
            let forms = |frames: &Frames| {
                [Format::Json, Format::Protobuf].map(|form| frames.get(form).map(|frame| frame[0]))
            };
            let forms_of_veil = forms(fanout.veiled.unwrap().frames.as_ref().unwrap());
            assert_eq!(forms(&fanout.frames), forms_of_veil);
            forms_of_veil
        })
        .collect::<Vec<_>>()
    };
    let (text, binary) = (Some(0x81), Some(0x82));
    let one = hub.join(&channel, ids[0], Format::Json);
    assert_eq!(encoded(1), [[text, None]]);
    let two = hub.join(&channel, ids[1], Format::Protobuf);
    let three = hub.join(&channel, ids[1], Format::Protobuf);
    assert_eq!(encoded(2), [[text, binary]; 2], "each shard has both");
    drop((one, two));
    assert_eq!(encoded(3), [[None, binary]]);
    drop(three);
    assert!(encoded(4).is_empty());
}

#[test]
fn presence_counts_connections_and_people_and_tells_of_leaving() {
    let (hub, channel) = (Hub::new(), Channel::of("chat", "1"));
    let shard = Collector::with_room(99);
    let id = attach(&hub, shard.clone());
    let members: Vec<_> = [1, 1, 2]
        .into_iter()
        .map(|user| {
            let member = hub.join(&channel, id, Format::Json);
            member.enter(info(user), true);
            member
        })
        .collect();
    assert_eq!(hub.presence_stats(&channel), (3, 2));
    assert_eq!(hub.presence(&channel).len(), 3);
    assert_eq!(shard.take().len(), 3, "a join each");
    drop(members);
    assert_eq!(shard.take().len(), 2, "nobody is left to hear of the last");
    assert_eq!((hub.presence_stats(&channel), hub.channels()), ((0, 0), 0));
}

#[test]
fn what_a_full_shard_misses_is_remembered_once() {
    let (hub, channel) = (Hub::new(), Channel::of("chat", "1"));
    let shard = Collector::with_room(0);
    let id = attach(&hub, shard.clone());
    let _member = hub.join(&channel, id, Format::Json);
    hub.publish(&channel, &publication(1));
    hub.publish(&channel, &publication(2));
    hub.publish(&channel, &publication(0));
    let conn = ConnId::of(3, 1);
    assert!(!hub.tell(id, ToShard::Conn(conn, ToConn::Close(Disconnect::SLOW))));
    hub.disconnect_session(SessionId(Uuid::nil()), &Disconnect::FORCED);
    let lost = hub.take_lost(id).unwrap();
    assert!(lost.channels.contains(&channel) && lost.channels.len() == 1);
    assert!(lost.connections.contains(&conn) && lost.orders.len() == 1);
    assert!(hub.take_lost(id).is_none());
}

#[test]
fn a_full_mailbox_ends_the_interest_it_refuses() {
    let (hub, channel) = (Hub::new(), Channel::of("chat", "1"));
    let id = attach(&hub, Collector::with_room(0));
    let membership = Arc::new(hub.join(&channel, id, Format::Json));
    let attach = ToConn::Attach { membership, positioned: true, join_leave: false };
    assert!(!hub.tell(id, ToShard::Conn(ConnId::of(0, 0), attach)));
    assert!(!hub.has_members(&channel));
}

#[test]
fn the_number_of_shards_is_bounded() {
    let hub = Hub::new();
    for _ in 0..MAX_SHARDS {
        assert!(hub.reserve().is_some());
    }
    assert!(hub.reserve().is_none());
}
