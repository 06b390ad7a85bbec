// One client on each of two nodes; both write into one room and read it while NATS is away and a node
// dies. What was acknowledged anywhere is read everywhere: once, in one order, without a gap.
import { ask, assert, assertGapless, chat, connected, eventually, fixture, run, subscribed, within }
  from './common.mjs';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

run(async () => {
  const { me } = fixture.people;
  const clients = [await connected(me), await connected(me, { url: fixture.there })];
  const subs = [];
  for (const c of clients) subs.push(await subscribed(c, chat(), { recoverable: true, joinLeave: true }));

  let over = false;
  const acked = {};
  const write = async (c, name) => {
    for (let n = 0; !over; n += 1) {
      const body = `${fixture.name}${name}-${n}`;
      for (;;) {
        try {
          const { data } = await c.rpc('chat.send', { room: fixture.room, client_msg_id: body, body });
          acked[body] = data.seq;
          break;
        } catch {
          await sleep(50); // away for a moment: the same again, which is one message
        }
      }
      await sleep(40);
    }
  };
  await ask({ do: 'ready' });
  const writers = clients.map((c, i) => write(c, 'ab'[i]));
  await ask({ do: 'storm' });
  over = true;
  await within('the last acknowledgements', Promise.all(writers), 30000);
  const { all } = await ask({ do: 'acked', acked });

  const total = Object.keys(all).length;
  for (const sub of subs) {
    await eventually('every message', () => sub.messages().length >= total);
    await sleep(200);
    assertGapless(sub.of('publication'));
    assert.equal(sub.messages().length, total, 'none twice');
    const last = {};
    for (const { data, offset } of sub.messages()) {
      assert.equal(all[data.body], offset, `${data.body} is where it was said to be`);
      const [name, n] = data.body.split('-');
      assert.ok(Number(n) > (last[name] ?? -1), `${data.body} in the order it was written`);
      last[name] = Number(n);
    }
    for (const again of sub.of('subscribed').slice(1)) {
      assert.deepEqual([again.wasRecovering, again.recovered], [true, true], 'recovered, on whichever node');
    }
  }
  // Both nodes name the same four connections: two of this SDK, two of the other.
  for (const sub of subs) {
    let there = [];
    for (let tries = 0; there.length !== 4 && tries < 150; tries += 1) {
      await sleep(100);
      there = Object.keys((await within('presence', sub.presence())).clients);
    }
    assert.equal(there.length, 4, JSON.stringify(there));
    assert.equal((await within('stats', sub.presenceStats())).numUsers, 2);
  }
  await ask({ do: 'acked', acked: {} }); // the other SDK has looked, too
});
