//! Hubs of several nodes in one process.

use std::sync::atomic::AtomicUsize;

use uuid::Uuid;

use super::*;
use crate::{
    ports::bus::signals::mesh::{Cable, mesh},
    realtime::{
        Personal, SharedRing,
        hub::{Membership, ShardId, ShardPort},
        log::{ChannelLog, HistoryQuery},
        protocol::{Format, json::Json},
        shard::message::{FanoutKind, ToShard},
    },
    tests::support::wait::eventually,
};

const LIMIT: Duration = Duration::from_secs(20);

/// A node with a shard that only collects.
struct Node {
    hub: Hub,
    feed: SharedRing,
    got: Arc<Mutex<Vec<ToShard>>>,
    shard: ShardId,
    looked: Arc<AtomicUsize>,
}

struct Collector(Arc<Mutex<Vec<ToShard>>>);

impl ShardPort for Collector {
    fn tell(&self, message: ToShard) -> Result<(), ToShard> {
        lock(&self.0).push(message);
        Ok(())
    }
}

fn nodes(count: usize) -> (Vec<Node>, Cable) {
    let (signals, cable) = mesh(count);
    let nodes = signals.iter().map(|signals| {
        let hub = Hub::across(signals, &Metrics::new());
        let feed = SharedRing::new(hub.clone(), &["gigs"], 8, Duration::from_secs(60), false);
        let got = Arc::new(Mutex::default());
        let shard = hub.reserve().unwrap();
        hub.connect(shard, Arc::new(Collector(got.clone())));
        let looked = Arc::new(AtomicUsize::new(0));
        let count = looked.clone();
        hub.follow("chat", move |_| {
            count.fetch_add(1, Relaxed);
        });
        Node { hub, feed, got, shard, looked }
    });
    (nodes.collect(), cable)
}

fn info(user: u128) -> Arc<ClientInfo> {
    let user = UserId(Uuid::from_u128(user));
    Arc::new(ClientInfo { user, client: ClientId::new(), conn_info: None, chan_info: None })
}

impl Node {
    fn join(&self, channel: &Channel, user: u128) -> Membership {
        let member = self.hub.join(channel, self.shard, Format::Json);
        member.enter(info(user), true);
        member
    }

    fn took(&self, which: impl Fn(&ToShard) -> bool) -> usize {
        lock(&self.got).iter().filter(|message| which(message)).count()
    }

    fn infos(&self) -> usize {
        self.took(
            |message| matches!(message, ToShard::Fanout(fanout) if fanout.kind == FanoutKind::JoinLeave),
        )
    }

    fn publications(&self) -> usize {
        self.took(
            |message| matches!(message, ToShard::Fanout(fanout) if fanout.kind == FanoutKind::Publication),
        )
    }

    async fn ring(&self, channel: &Channel) -> Vec<u64> {
        let query = HistoryQuery { since: None, limit: 100, reverse: false };
        let page = self.feed.page(channel, &query).await.unwrap();
        page.publications.iter().map(|p| serde_json::from_slice(p.data.as_bytes()).unwrap()).collect()
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    eventually(what, LIMIT, || async { holds().then_some(()) }).await;
}

#[actix_web::test]
async fn presence_is_the_same_on_every_node() {
    let (nodes, cable) = nodes(3);
    let room = Channel::of("chat", "1");
    let first = nodes[0].join(&room, 1);
    let second = nodes[1].join(&room, 2);
    let all = |clients, users| nodes.iter().all(|node| node.hub.presence_stats(&room) == (clients, users));
    until("two are there", || all(2, 2)).await;
    // The first heard of the second; who joined later did not miss the one before.
    until("one hears of the other", || nodes[0].infos() == 2).await;
    assert_eq!(nodes[2].hub.presence(&room).len(), 2);
    drop(second);
    until("one has left", || all(1, 1)).await;
    until("one hears of it", || nodes[0].infos() == 3).await;

    // The bus is away: each node sees its own, and what it knew.
    cable.cut();
    let third = nodes[2].join(&room, 1);
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(nodes[0].hub.presence_stats(&room), (0, 0));
    assert_eq!(nodes[1].hub.presence_stats(&room), (1, 1));
    assert_eq!(nodes[2].hub.presence_stats(&room), (2, 1));
    cable.mend();
    until("the third alone", || all(1, 1)).await;
    nodes[2].hub.say_goodbye();
    until("nobody elsewhere", || nodes[0].hub.presence_stats(&room) == (0, 0)).await;
    drop(third);
}

#[actix_web::test]
async fn a_ring_misses_nothing_that_its_node_can_say_again() {
    let (nodes, cable) = nodes(2);
    let feed = Channel::of("gigs", "feed");
    let _member = nodes[1].hub.join(&feed, nodes[1].shard, Format::Json);
    let before = nodes[1].feed.top(&feed).await.unwrap();
    let publish = |n: u64| nodes[0].feed.publish(&feed, Json::of(&n).unwrap());
    publish(1);
    until("the first came", || nodes[1].publications() == 1).await;
    cable.cut();
    (2..5).for_each(publish);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(nodes[1].publications(), 1);
    cable.mend();
    publish(5);
    until("all came", || nodes[1].publications() == 5).await;
    assert_eq!(nodes[1].ring(&feed).await, [1, 2, 3, 4, 5]);
    assert_eq!(nodes[1].feed.top(&feed).await.unwrap().epoch, before.epoch);
    assert_eq!(nodes[0].publications(), 0, "nobody is there");
}

#[actix_web::test]
async fn rings_begin_anew_when_a_node_dies_and_their_members_learn_it() {
    let (nodes, _cable) = nodes(2);
    let (feed, own) = (Channel::of("gigs", "feed"), Personal::channel(UserId(Uuid::from_u128(1))));
    let _own =
        SharedRing::new(nodes[1].hub.clone(), &[Personal::NAMESPACE], 4, Duration::from_secs(60), true);
    let _members = [&feed, &own].map(|channel| nodes[1].hub.join(channel, nodes[1].shard, Format::Json));
    nodes[0].feed.publish(&feed, Json::of(&1).unwrap());
    until("it came", || nodes[1].publications() == 1).await;
    let before = nodes[1].feed.top(&feed).await.unwrap();
    let mut effects = Vec::new();
    let node = nodes[1].hub.nodes().unwrap();
    lock(&node.peers).expire(Instant::now() + peers::SILENCE, &mut effects);
    nodes[1].hub.apply(effects);
    assert_eq!(nodes[1].took(|m| matches!(m, ToShard::Recover { .. })), 0, "nobody has to connect again");
    let after = nodes[1].feed.top(&feed).await.unwrap();
    assert!(after.epoch != before.epoch && after.offset == 0);
    assert_eq!(
        nodes[1].took(|m| matches!(m, ToShard::UnsubscribeAll { channel, .. } if *channel == feed)),
        1
    );
    // Known to be lost, not only suspected.
    nodes[1].hub.apply(vec![Effect::Renew]);
    assert_eq!(nodes[1].took(|m| matches!(m, ToShard::Recover { channel } if *channel == own)), 1);
}

#[actix_web::test]
async fn a_log_that_grew_is_looked_into_elsewhere_and_after_a_gap() {
    let (nodes, cable) = nodes(2);
    let (room, typing) = (Channel::of("chat", "1"), Channel::of("typing", "1"));
    let _members = [&room, &typing].map(|channel| nodes[1].hub.join(channel, nodes[1].shard, Format::Json));
    assert!(nodes[1].hub.follows(&room) && !nodes[0].hub.follows(&room));
    nodes[0].hub.grown(&room);
    until("it looks", || nodes[1].looked.load(Relaxed) == 1).await;
    assert_eq!(nodes[0].looked.load(Relaxed), 0);

    nodes[0].hub.broadcast(&typing, &Publication::ephemeral(Json::empty_object()));
    until("it sees who types", || nodes[1].publications() == 1).await;

    cable.cut();
    nodes[0].hub.grown(&room);
    nodes[0].hub.broadcast(&typing, &Publication::ephemeral(Json::empty_object()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(nodes[1].looked.load(Relaxed), 1);
    cable.mend();
    until("it looks after the gap", || nodes[1].looked.load(Relaxed) == 2).await;
    assert_eq!(nodes[1].publications(), 1, "who typed then is of no interest now");

    let logged = Publication::at(7, Json::empty_object());
    nodes[0].hub.publish_everywhere(&room, &logged);
    until("it publishes what is in a shared log", || {
        nodes[1].took(|m| matches!(m, ToShard::Fanout(fanout) if fanout.offset == 7)) == 1
    })
    .await;
}
