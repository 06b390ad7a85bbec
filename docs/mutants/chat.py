#!/usr/bin/env python3
"""Breaks chat in small ways, one at a time, and sees whether its tests notice.

    python3 docs/mutants/chat.py            # all of them
    python3 docs/mutants/chat.py 3 5        # some

Each file is put back afterwards. The answer is 1 if a mutant survived.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAT = "src/contexts/chat/"
UP = "migrations/2026-11-22-000002_chat/up.sql"

# file, what stands there (once), what stands there instead
MUTANTS = [
    # 1 the numbers: events of a batch are numbered, the duplicates among them too
    (UP, "UPDATE chat.streams SET last_seq = stream.last_seq + fresh WHERE",
     "UPDATE chat.streams SET last_seq = stream.last_seq + cardinality(kinds) WHERE"),
    # 2 writers no longer take turns
    (UP, "WHERE room_id = room FOR UPDATE;", "WHERE room_id = room;"),
    # 3 a page overlaps the one before it
    (CHAT + "store/postgres/log.rs", "base.filter(table::seq.lt(place(end)))", "base.filter(table::seq.le(place(end)))"),
    # 4 resuming skips one
    (CHAT + "store/postgres/log.rs", ".filter(table::seq.gt(place(after)))\n        .filter(table::seq.le",
     ".filter(table::seq.gt(place(after.saturating_add(1))))\n        .filter(table::seq.le"),
    # 5 acknowledged although the insert failed
    (CHAT + "actors/room/writing.rs", "Origin::Asker(reply) => reply.send(Err(ChatError::LogAway)),",
     "Origin::Asker(reply) => reply.send(Ok(Sent { message_id: MessageId::new(), seq: 0, epoch: String::new(), duplicate: false })),"),
    # 6 another node's events are not published
    (CHAT + "actors/room/writing.rs", "if appended.prior == self.top() && appended.epoch == self.epoch {",
     "if appended.epoch == self.epoch {"),
    # 7 what a crashed incarnation wrote is not published
    (CHAT + "actors/room/mod.rs", "let behind = published.load(Ordering::Relaxed) != top.last_seq;",
     "published.store(top.last_seq, Ordering::Relaxed);\n        let behind = false;"),
    # 8 no batching
    (CHAT + "actors/room/writing.rs", "{ 1 } else { self.seed.limits.batch.max(1) }", "{ 1 } else { 1 }"),
    # 9 membership is not asked for sends
    (CHAT + "actors/room/writing.rs", "me.ok_or(ChatError::NotMember).and_then(|_| own.may_send(send.who))",
     "{ let _ = me; own.may_send(send.who) }"),
    # 10 removal leaves the subscription
    (CHAT + "actors/room/changing.rs", "self.seed.outlet.unsubscribe(user, &self.channel);", ""),
    # 11 a lost change is not put into the log at the next start
    (CHAT + "actors/room/mod.rs", "queue: waiting.into_iter().map(Waiting::change).collect(),",
     "queue: { let _ = waiting.into_iter().map(Waiting::change); Default::default() },"),
    # 12 a list of rooms goes on at the wrong place
    (CHAT + "store/postgres/rooms.rs", "query = query.filter(members::room_id.lt(before));",
     "query = query.filter(members::room_id.le(before));"),
    # 13 recovery says yes after a cut
    (CHAT + "realtime.rs", "after <= slice.top.last_seq && after + 1 >= slice.top.first_seq", "after <= slice.top.last_seq"),
]


def run(number, path, old, new):
    file = ROOT / path
    text = file.read_text()
    if text.count(old) != 1:
        return f"{number}: not found in {path} (update this list)", False
    file.write_text(text.replace(old, new))
    try:
        done = subprocess.run(["cargo", "test", "--lib", "chat::"], cwd=ROOT, capture_output=True, text=True)
    finally:
        file.write_text(text)
    failed = re.findall(r"^test (\S+) \.\.\. FAILED", done.stdout, re.M)
    if failed:
        return f"{number}: caught by {', '.join(name.split('tests::')[-1] for name in failed)}", True
    if "could not compile" in done.stderr:
        return f"{number}: does not compile\n{done.stderr[-1500:]}", False
    return f"{number}: SURVIVED", False


wanted = [int(arg) for arg in sys.argv[1:]] or range(1, len(MUTANTS) + 1)
results = []
for number in wanted:
    results.append(run(number, *MUTANTS[number - 1]))
    print(results[-1][0], flush=True)
sys.exit(not all(caught for _, caught in results))
