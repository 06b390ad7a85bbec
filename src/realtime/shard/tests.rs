//! The shard's logic on its own: time and ways out are the test's.

use std::{cell::RefCell, rc::Rc, sync::Mutex, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    message::{Complete, Completed, Fanout, FanoutKind, VeiledFrames},
    *,
};
use crate::{
    principal::{SessionId, UserId},
    realtime::{
        hub::ShardPort,
        protocol::{disconnect::Unsubscribe, format::Frames},
    },
    telemetry::metrics::Metrics,
};

/// A way out that keeps what it gets.
#[derive(Clone, Default)]
struct Sink(Rc<RefCell<SinkState>>);

#[derive(Default)]
struct SinkState {
    frames: Vec<Bytes>,
    queued: usize,
    drained: u64,
    limit: usize,
    closed: bool,
    ended: bool,
}

impl Sink {
    fn limited(limit: usize) -> Self {
        let sink = Self::default();
        sink.0.borrow_mut().limit = limit;
        sink
    }

    /// What was sent since the last call, as text; a close frame as its code.
    fn take(&self) -> Vec<String> {
        let mut state = self.0.borrow_mut();
        state.drained += state.queued as u64;
        state.queued = 0;
        state
            .frames
            .drain(..)
            .map(|frame| match frame[0] {
                0x88 => format!("close {}", u16::from_be_bytes([frame[2], frame[3]])),
                _ => String::from_utf8_lossy(&frame[2..]).into_owned(),
            })
            .collect()
    }
}

impl Outbound for Sink {
    fn push(&self, frame: Bytes) -> Pushed {
        let mut state = self.0.borrow_mut();
        if state.closed {
            Pushed::Closed
        } else if state.queued + frame.len() > state.limit {
            Pushed::Overflow
        } else {
            state.queued += frame.len();
            state.frames.push(frame);
            Pushed::Queued
        }
    }

    fn push_long(&self, frame: Bytes) -> Pushed {
        let mut state = self.0.borrow_mut();
        if state.closed {
            return Pushed::Closed;
        }
        state.frames.push(frame);
        Pushed::Queued
    }

    fn close(&self, last: Bytes, discard: bool) {
        let mut state = self.0.borrow_mut();
        if discard {
            state.frames.clear();
        }
        state.frames.push(last);
        state.closed = true;
    }

    fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    fn queued(&self) -> usize {
        self.0.borrow().queued
    }

    fn drained(&self) -> u64 {
        self.0.borrow().drained
    }
}

/// The hub's end of a shard that is not an actor: messages wait until the test hands them over.
#[derive(Default)]
struct Mailbox(Mutex<Vec<ToShard>>);

impl ShardPort for Mailbox {
    fn tell(&self, message: ToShard) -> Result<(), ToShard> {
        self.0.lock().unwrap().push(message);
        Ok(())
    }
}

struct Bench {
    shard: Shard,
    hub: Hub,
    id: ShardId,
    mailbox: Arc<Mailbox>,
    now: Instant,
    channel: Channel,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(tune: impl FnOnce(&mut Settings)) -> Self {
        let config = crate::config::layer("x".into(), "", std::iter::empty()).unwrap();
        let mut settings = Settings::new(&config);
        tune(&mut settings);
        let hub = Hub::new();
        let metrics = RealtimeMetrics::new(&Metrics::new());
        let parts = ShardParts { hub: hub.clone(), settings: Arc::new(settings), metrics };
        let mut shard = Shard::new(parts);
        let id = hub.reserve().unwrap();
        let mailbox = Arc::new(Mailbox::default());
        hub.connect(id, mailbox.clone());
        shard.numbered(id);
        Self { shard, hub, id, mailbox, now: Instant::now(), channel: Channel::of("room", "a") }
    }

    fn open(&mut self, sink: &Sink) -> ConnId {
        self.open_as(sink, Format::Json)
    }

    fn open_as(&mut self, sink: &Sink, format: Format) -> ConnId {
        let signal = ConnSignal::default();
        self.shard.open(Box::new(sink.clone()), Socket::default(), signal, format, self.now).unwrap()
    }

    fn live(&mut self, sink: &Sink, n: u128) -> ConnId {
        self.live_as(sink, n, Format::Json)
    }

    fn live_as(&mut self, sink: &Sink, n: u128, format: Format) -> ConnId {
        let conn = self.open_as(sink, format);
        let (user, session) = (UserId(Uuid::from_u128(n)), SessionId(Uuid::from_u128(n)));
        self.tell(conn, ToConn::Activate { user, session, expires: None });
        conn
    }

    fn tell(&mut self, conn: ConnId, message: ToConn) {
        self.shard.handle(ToShard::Conn(conn, message), self.now);
    }

    fn attach(&mut self, conn: ConnId, positioned: bool) {
        let membership = Arc::new(self.hub.join(&self.channel.clone(), self.id, Format::Json));
        self.tell(conn, ToConn::Attach { membership, positioned, join_leave: false });
    }

    fn complete(&mut self, conn: ConnId, top: u64) {
        let channel = self.channel.clone();
        self.tell(
            conn,
            ToConn::Complete(Complete {
                reply: frame::text(b"reply"),
                long: false,
                refusal: frame::text(b"refusal"),
                channels: vec![Completed { channel, top, presence: None, announce: false }],
            }),
        );
    }

    fn member(&mut self, sink: &Sink, top: u64) -> ConnId {
        let conn = self.live(sink, 1);
        self.attach(conn, true);
        self.complete(conn, top);
        sink.take();
        conn
    }

    fn publish(&mut self, offset: u64) -> bool {
        let fanout = Fanout {
            channel: self.channel.clone(),
            frames: Frames::json(frame::text(offset.to_string().as_bytes())),
            offset,
            kind: FanoutKind::Publication,
            veiled: None,
        };
        self.shard.handle(ToShard::Fanout(fanout), self.now)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.shard.tick(self.now);
    }
}

#[test]
fn live_publications_wait_for_the_subscribe_reply_and_what_it_covers_is_dropped() {
    let (mut bench, sink) = (Bench::new(), Sink::limited(9999));
    let conn = bench.live(&sink, 1);
    bench.attach(conn, true);
    for offset in 4..=7 {
        bench.publish(offset);
    }
    assert_eq!(sink.take(), Vec::<String>::new(), "nothing before the reply");
    bench.complete(conn, 5);
    assert_eq!(sink.take(), ["reply", "6", "7"]);
    bench.publish(8);
    assert_eq!(sink.take(), ["8"]);
}

#[test]
fn a_hole_between_the_log_and_what_waited_is_a_gap() {
    let (mut bench, sink) = (Bench::new(), Sink::limited(9999));
    let conn = bench.live(&sink, 1);
    bench.attach(conn, true);
    bench.publish(7);
    bench.complete(conn, 5);
    assert_eq!(sink.take(), ["reply", "close 3010"]);
}

#[test]
fn too_much_waiting_for_a_reply_is_a_gap_too() {
    let (mut bench, sink) = (Bench::new(), Sink::limited(1 << 20));
    let conn = bench.live(&sink, 1);
    bench.attach(conn, true);
    for offset in 1..=1100 {
        bench.publish(offset);
    }
    bench.complete(conn, 0);
    assert_eq!(sink.take().last().unwrap(), "close 3010");
}

#[test]
fn duplicates_are_dropped_and_a_gap_ends_only_the_member_it_hits() {
    let mut bench = Bench::new();
    let (behind, ahead) = (Sink::limited(9999), Sink::limited(9999));
    bench.member(&behind, 3);
    bench.member(&ahead, 6);
    for offset in [4, 4, 3] {
        bench.publish(offset);
    }
    assert_eq!((behind.take(), ahead.take()), (vec!["4".to_owned()], vec![]));
    bench.publish(7);
    assert_eq!((behind.take(), ahead.take()), (vec!["close 3010".to_owned()], vec!["7".to_owned()]));
}

#[test]
fn a_channel_without_offsets_has_no_gaps() {
    let (mut bench, sink) = (Bench::new(), Sink::limited(9999));
    let conn = bench.live(&sink, 1);
    bench.attach(conn, false);
    bench.publish(0);
    bench.complete(conn, 0);
    bench.publish(0);
    bench.publish(9);
    assert_eq!(sink.take(), ["reply", "0", "0", "9"]);
}

#[test]
fn overflow_closes_the_slow_one_with_its_queue_thrown_away() {
    let mut bench = Bench::new();
    let (slow, well) = (Sink::limited(20), Sink::limited(9999));
    bench.member(&slow, 0);
    bench.member(&well, 0);
    for offset in 1..=9 {
        bench.publish(offset);
    }
    assert_eq!(slow.take(), ["close 3008"]);
    assert_eq!(well.take().len(), 9);
    assert_eq!(bench.shard.observe().subscriptions, 1);
    assert!(bench.hub.has_members(&bench.channel));
}

#[test]
fn a_queue_that_stands_still_is_slow_and_one_that_moves_is_not() {
    let mut bench = Bench::new();
    let (stuck, moving) = (Sink::limited(9999), Sink::limited(9999));
    bench.member(&stuck, 0);
    bench.member(&moving, 0);
    let stall = bench.shard.parts.settings.stall;
    bench.pass(Duration::from_millis(1));
    bench.publish(1);
    bench.pass(Duration::from_millis(1));
    moving.take();
    bench.publish(2);
    bench.pass(stall / 2);
    bench.pass(stall / 2);
    assert_eq!(stuck.take().last().unwrap(), "close 3008");
    assert_eq!(moving.take(), ["2"]);
}

#[test]
fn a_burst_makes_room_for_others() {
    let mut bench = Bench::with(|settings| settings.queue_bytes = 800);
    let sink = Sink::limited(1 << 20);
    bench.member(&sink, 0);
    bench.shard.burst = 0;
    let yields: Vec<u64> = (1..=100).filter(|offset| bench.publish(*offset)).collect();
    assert!(yields.len() >= 3, "100 bytes of frames at most between two: {yields:?}");
    assert!(yields.windows(2).all(|w| w[1] - w[0] <= 34));
}

#[test]
fn a_subscription_taken_away_while_it_is_set_up_is_refused() {
    let (mut bench, sink) = (Bench::new(), Sink::limited(9999));
    let conn = bench.live(&sink, 1);
    bench.attach(conn, true);
    let message = ToShard::UnsubscribeUser {
        user: UserId(Uuid::from_u128(1)),
        channel: bench.channel.clone(),
        why: Unsubscribe::SERVER,
    };
    bench.shard.handle(message, bench.now);
    bench.complete(conn, 0);
    let sent = sink.take();
    assert_eq!(sent.len(), 2);
    assert!(sent[0].contains("unsubscribe") && sent[1] == "refusal", "{sent:?}");
}

#[test]
fn deadlines_of_handshake_ping_and_expiry() {
    let mut bench = Bench::new();
    let settings = bench.shard.parts.settings.clone();
    let stale = Sink::limited(999);
    bench.open(&stale);
    bench.pass(settings.handshake - Duration::from_millis(1));
    assert_eq!(stale.take(), Vec::<String>::new());
    bench.pass(Duration::from_millis(1));
    assert_eq!(stale.take(), ["close 3502"]);

    let (mute, polite, expiring) = (Sink::limited(999), Sink::limited(999), Sink::limited(999));
    bench.live(&mute, 1);
    let polite_conn = bench.live(&polite, 2);
    let expiring_conn = bench.live(&expiring, 3);
    let expires = Some(bench.now + settings.ping + Duration::from_secs(1));
    bench.tell(expiring_conn, ToConn::Expires(expires));
    bench.pass(settings.ping);
    assert_eq!(
        (mute.take(), polite.take(), expiring.take()),
        (vec!["{}".into()], vec!["{}".into()], vec!["{}".into()])
    );
    bench.shard.pong(polite_conn);
    bench.shard.pong(expiring_conn);
    bench.pass(settings.pong);
    assert_eq!((mute.take(), polite.take()), (vec!["close 3012".to_owned()], vec![]));
    assert_eq!(expiring.take(), ["close 3005"]);
    bench.pass(settings.ping - settings.pong);
    assert_eq!(polite.take(), ["{}"], "one interval after the last");
}

#[test]
fn a_closed_connection_is_held_until_the_peer_closes_or_the_deadline() {
    let mut bench = Bench::new();
    let (answers, mute) = (Sink::limited(999), Sink::limited(999));
    let (a, b) = (bench.member(&answers, 0), bench.member(&mute, 0));
    for conn in [a, b] {
        bench.tell(conn, ToConn::Close(Disconnect::SHUTDOWN));
        bench.tell(conn, ToConn::Close(Disconnect::SLOW));
    }
    assert!(!bench.hub.has_members(&bench.channel), "membership ends with the close, not the socket");
    assert_eq!((answers.take(), mute.take()), (vec!["close 3001".to_owned()], vec!["close 3001".to_owned()]));
    assert!(!answers.0.borrow().ended);
    bench.shard.peer_closed(a, &Disconnect::NORMAL);
    assert!(answers.0.borrow().ended && !mute.0.borrow().ended);
    bench.pass(bench.shard.parts.settings.close_hold);
    assert!(mute.0.borrow().ended);
    assert_eq!(bench.shard.observe().connections, 0);
}

#[test]
fn a_number_that_is_used_again_is_another_connection() {
    let mut bench = Bench::new();
    let (old, new) = (Sink::limited(999), Sink::limited(999));
    let first = bench.live(&old, 1);
    bench.shard.gone(first);
    let second = bench.live(&new, 2);
    assert_eq!(first.slot, second.slot);
    bench.tell(first, ToConn::Frame(frame::text(b"for the first")));
    bench.tell(first, ToConn::Close(Disconnect::SLOW));
    assert_eq!(new.take(), Vec::<String>::new());
    bench.tell(second, ToConn::Frame(frame::text(b"for the second")));
    assert_eq!(new.take(), ["for the second"]);
}

#[test]
fn what_the_hub_could_not_tell_is_made_up_for() {
    let mut bench = Bench::new();
    let (member, bystander) = (Sink::limited(999), Sink::limited(999));
    bench.member(&member, 0);
    bench.live(&bystander, 2);
    // A second shard number whose mailbox is full stands for ours being full.
    struct Full;
    impl ShardPort for Full {
        fn tell(&self, message: ToShard) -> Result<(), ToShard> {
            Err(message)
        }
    }
    let full = bench.hub.reserve().unwrap();
    bench.hub.connect(full, Arc::new(Full));
    bench.shard.numbered(full);
    let _interest = bench.hub.join(&bench.channel.clone(), full, Format::Json);
    let publication = crate::realtime::Publication::at(1, crate::realtime::Json::empty_object());
    bench.hub.publish(&bench.channel.clone(), &publication);
    bench.hub.disconnect_session(SessionId(Uuid::from_u128(2)), &Disconnect::FORCED);
    bench.pass(Duration::from_millis(1));
    assert_eq!(member.take(), ["close 3010"]);
    assert_eq!(bystander.take(), ["close 3503"]);
}

#[test]
fn so_many_connections_and_no_more() {
    let mut bench = Bench::new();
    let sink = Sink::limited(1);
    let last = (0..MAX_CONNECTIONS).map(|_| bench.open(&sink)).last().unwrap();
    assert!(bench.shard.is_full());
    bench.shard.gone(last);
    assert!(!bench.shard.is_full());
}

#[test]
fn a_drain_is_paced_and_takes_no_one_in() {
    let mut bench = Bench::new();
    let sinks: Vec<Sink> = (0..1_600).map(|_| Sink::limited(999)).collect();
    for sink in &sinks {
        bench.live(sink, 1);
    }
    let tick = bench.shard.parts.settings.tick;
    bench.shard.handle(ToShard::Drain { until: bench.now + tick * 8 }, bench.now);
    let signal = ConnSignal::default();
    assert!(
        bench
            .shard
            .open(Box::new(Sink::limited(9)), Socket::default(), signal, Format::Json, bench.now)
            .is_none()
    );
    let mut rounds = Vec::new();
    let closed = |sinks: &[Sink]| sinks.iter().filter(|sink| sink.0.borrow().closed).count();
    let mut before = 0;
    while before < 1_600 {
        let now = closed(&sinks);
        rounds.push(now - before);
        before = now;
        bench.pass(tick);
        assert!(rounds.len() < 20);
    }
    assert!(rounds.iter().all(|closed| *closed <= 240), "{rounds:?}");
    assert!(rounds.len() <= 9, "{rounds:?}");
}

#[test]
fn a_crashed_shard_leaves_nothing_behind() {
    let mut bench = Bench::new();
    let sink = Sink::limited(999);
    bench.member(&sink, 0);
    let (hub, channel, metrics) =
        (bench.hub.clone(), bench.channel.clone(), bench.shard.parts.metrics.clone());
    drop(bench.shard);
    assert!(sink.0.borrow().ended);
    assert!(!hub.has_members(&channel));
    assert_eq!((metrics.connections.get(), metrics.subscriptions.get()), (0, 0));
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Open,
    Subscribe(usize, u8),
    Unsubscribe(usize, u8),
    Close(usize),
    Gone(usize),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Open),
        (0..8usize, 0..3u8).prop_map(|(c, ch)| Act::Subscribe(c, ch)),
        (0..8usize, 0..3u8).prop_map(|(c, ch)| Act::Unsubscribe(c, ch)),
        (0..8usize).prop_map(Act::Close),
        (0..8usize).prop_map(Act::Gone),
    ]
}

proptest! {
    /// Whatever happens, a publication reaches exactly those who are subscribed, and the hub's
    /// interest is exactly the shard's.
    #[test]
    fn membership_is_a_set(acts in prop::collection::vec(any_act(), 0..80)) {
        let mut bench = Bench::new();
        let mut conns: Vec<(ConnId, Sink, std::collections::BTreeSet<u8>)> = Vec::new();
        let channel = |n: u8| Channel::of("room", n);
        for act in acts {
            match act {
                Act::Open => {
                    let sink = Sink::limited(1 << 20);
                    let conn = bench.live(&sink, conns.len() as u128);
                    conns.push((conn, sink, Default::default()));
                }
                Act::Subscribe(c, n) => if let Some((conn, _, subs)) = conns.get_mut(c) {
                    bench.channel = channel(n);
                    bench.attach(*conn, false);
                    bench.complete(*conn, 0);
                    subs.insert(n);
                },
                Act::Unsubscribe(c, n) => if let Some((conn, _, subs)) = conns.get_mut(c) {
                    bench.tell(*conn, ToConn::Detach { channel: channel(n) });
                    subs.remove(&n);
                },
                Act::Close(c) => if c < conns.len() {
                    let (conn, _, _) = conns.remove(c);
                    bench.tell(conn, ToConn::Close(Disconnect::FORCED));
                },
                Act::Gone(c) => if c < conns.len() {
                    let (conn, _, _) = conns.remove(c);
                    bench.shard.gone(conn);
                },
            }
        }
        bench.mailbox.0.lock().unwrap().clear();
        for n in 0..3u8 {
            bench.channel = channel(n);
            for (_, sink, _) in &conns {
                sink.take();
            }
            bench.publish(0);
            let mut members = 0;
            for (_, sink, subs) in &conns {
                prop_assert_eq!(sink.take().len(), usize::from(subs.contains(&n)));
                members += usize::from(subs.contains(&n));
            }
            prop_assert_eq!(bench.hub.has_members(&channel(n)), members > 0);
        }
        let held: usize = conns.iter().map(|(_, _, subs)| subs.len()).sum();
        prop_assert_eq!(bench.shard.observe().subscriptions, held);
    }
}

/// Person 1 has hidden person 9, until the test says otherwise.
#[derive(Default)]
struct Hides(Mutex<bool>);

impl crate::realtime::Veils for Hides {
    fn hidden_from(&self, user: UserId) -> Option<Arc<std::collections::HashSet<UserId>>> {
        let hides = user.0.as_u128() == 1 && !*self.0.lock().unwrap();
        hides.then(|| Arc::new([UserId(Uuid::from_u128(9))].into()))
    }

    fn apart_from(&self, user: UserId) -> Vec<UserId> {
        let hides = !*self.0.lock().unwrap();
        let of = |one: u128, other: u128| {
            (hides && user.0.as_u128() == one).then(|| UserId(Uuid::from_u128(other)))
        };
        of(1, 9).or_else(|| of(9, 1)).into_iter().collect()
    }
}

#[test]
fn who_has_hidden_the_author_gets_what_is_there_instead_at_the_same_offset() {
    let mut bench = Bench::new();
    let hides = Arc::new(Hides::default());
    bench.hub.veil_by(hides.clone());
    let [one, two, late] = [(); 3].map(|()| Sink::limited(10_000));
    let conns = [bench.live(&one, 1), bench.live(&two, 2)];
    for conn in conns {
        bench.attach(conn, true);
        bench.complete(conn, 0);
    }
    // Waits for its reply, and goes by it all the same.
    let waiting = bench.live(&late, 1);
    bench.attach(waiting, true);
    for sink in [&one, &two] {
        sink.take();
    }
    let by = |author: u128, offset: u64, instead: bool| {
        let text = |what: &str| {
            let frame = |form: &str| frame::text(format!("{what} {offset}{form}").as_bytes());
            Frames::json(frame("")).with_protobuf(frame(" in Protobuf"))
        };
        ToShard::Fanout(Fanout {
            channel: Channel::of("room", "a"),
            frames: text("words"),
            offset,
            kind: FanoutKind::Publication,
            veiled: Some(Arc::new(VeiledFrames {
                author: UserId(Uuid::from_u128(author)),
                frames: instead.then(|| text("hidden")),
            })),
        })
    };
    bench.shard.handle(by(9, 1, true), bench.now);
    bench.shard.handle(by(8, 2, true), bench.now);
    bench.shard.handle(by(9, 0, false), bench.now);
    assert_eq!(Sink::take(&one), ["hidden 1", "words 2"]);
    assert_eq!(Sink::take(&two), ["words 1", "words 2", "words 0"]);
    bench.complete(waiting, 0);
    assert_eq!(Sink::take(&late), ["reply", "hidden 1", "words 2"]);
    // Lifted: told to the shard, and looked up.
    *hides.0.lock().unwrap() = true;
    bench.shard.handle(ToShard::Veil { user: UserId(Uuid::from_u128(1)) }, bench.now);
    bench.shard.handle(by(9, 3, true), bench.now);
    assert_eq!(Sink::take(&one), ["words 3"]);
}

#[test]
fn each_member_gets_the_form_that_it_speaks() {
    let mut bench = Bench::new();
    bench.hub.veil_by(Arc::new(Hides::default()));
    let [text, binary, veiled] = [(); 3].map(|()| Sink::limited(10_000));
    for (sink, user, format) in
        [(&text, 2, Format::Json), (&binary, 3, Format::Protobuf), (&veiled, 1, Format::Protobuf)]
    {
        let conn = bench.live_as(sink, user, format);
        bench.attach(conn, true);
        bench.complete(conn, 0);
        sink.take();
    }
    let frames = |what: &str| {
        Frames::json(frame::text(what.as_bytes())).with_protobuf(frame::text(format!("{what}, 2").as_bytes()))
    };
    let fanout = |offset: u64, frames: Frames, instead: Frames| {
        let author = UserId(Uuid::from_u128(9));
        ToShard::Fanout(Fanout {
            channel: Channel::of("room", "a"),
            frames,
            offset,
            kind: FanoutKind::Publication,
            veiled: Some(Arc::new(VeiledFrames { author, frames: Some(instead) })),
        })
    };
    bench.shard.handle(fanout(1, frames("words"), frames("hidden")), bench.now);
    assert_eq!((text.take(), binary.take()), (vec!["words".to_owned()], vec!["words, 2".to_owned()]));
    assert_eq!(veiled.take(), ["hidden, 2"]);
    // Made when nobody spoke Protobuf: who does has it from the log, and if not, fetches it from there.
    let only_text = |what: &str| Frames::json(frame::text(what.as_bytes()));
    bench.shard.handle(fanout(0, only_text("passing"), only_text("hidden")), bench.now);
    assert_eq!((text.take(), binary.take()), (vec!["passing".to_owned()], vec![]));
    bench.shard.handle(fanout(1, only_text("old"), only_text("hidden")), bench.now);
    assert_eq!((text.take(), binary.take()), (vec![], vec![]), "known already");
    bench.shard.handle(fanout(2, only_text("new"), only_text("hidden")), bench.now);
    assert_eq!((text.take(), binary.take()), (vec!["new".to_owned()], vec!["close 3010".to_owned()]));
}

#[test]
fn pings_and_what_is_taken_away_come_in_the_form_that_is_spoken() {
    let mut bench = Bench::new();
    let [text, binary] = [(); 2].map(|()| Sink::limited(10_000));
    for (sink, format) in [(&text, Format::Json), (&binary, Format::Protobuf)] {
        let conn = bench.live_as(sink, 1, format);
        bench.attach(conn, true);
        bench.complete(conn, 0);
        sink.take();
    }
    bench.pass(Duration::from_secs(26));
    assert_eq!((text.take(), binary.take()), (vec!["{}".to_owned()], vec!["\0".to_owned()]));
    let channel = bench.channel.clone();
    let why = Unsubscribe::SERVER;
    bench.shard.handle(ToShard::UnsubscribeAll { channel: channel.clone(), why: why.clone() }, bench.now);
    let expected = |format: Format| {
        let frame = format.push(&channel, &super::super::protocol::reply::Push::Unsubscribe(&why));
        vec![String::from_utf8_lossy(&frame[2..]).into_owned()]
    };
    assert_eq!((text.take(), binary.take()), (expected(Format::Json), expected(Format::Protobuf)));
}
