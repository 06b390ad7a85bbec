// Behind a proxy, while one node after the other is replaced: clients write and read one room. What was
// acknowledged is read by everybody, once, in one order; every client is told to come back and recovers.
import { ask, assert, assertGapless, chat, connected, eventually, fixture, run, subscribed, within }
  from './common.mjs';

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

run(async () => {
  const { ada, ben } = fixture.people;
  const clients = [];
  for (const person of [ada, ben, ada, ben]) clients.push(await connected(person));
  const subs = [];
  for (const c of clients) subs.push(await subscribed(c, chat(), { recoverable: true }));

  let over = false;
  const acked = {};
  let repeated = 0;
  const write = async (c, name) => {
    for (let n = 0; !over; n += 1) {
      const body = `${name}-${n}`;
      for (;;) {
        try {
          const { data } = await c.rpc('chat.send', { room: fixture.room, client_msg_id: body, body });
          acked[body] = data.seq;
          break;
        } catch {
          repeated += 1; // on its way to the other node: the same again, which is one message
          await sleep(50);
        }
      }
      await sleep(30);
    }
  };
  const writers = clients.map((c, i) => write(c, `client${i}`));
  await ask({ do: 'replace' });
  await sleep(500);
  over = true;
  await within('the last acknowledgements', Promise.all(writers), 30000);

  const total = Object.keys(acked).length;
  assert.ok(total > 200, `${total} messages`);
  for (const [i, sub] of subs.entries()) {
    await eventually('every message', () => sub.messages().length >= total);
    await sleep(100);
    assertGapless(sub.of('publication'));
    assert.equal(sub.messages().length, total, 'none twice');
    for (const { data, offset } of sub.messages()) {
      assert.equal(acked[data.body], offset, `${data.body} is where it was said to be`);
    }
    const again = sub.of('subscribed').slice(1);
    assert.ok(again.length > 0, 'both nodes were replaced: nobody stayed');
    for (const each of again) assert.deepEqual([each.wasRecovering, each.recovered], [true, true]);
    const told = clients[i].log.filter((e) => e.event === 'connecting' && e.code === 3001);
    assert.ok(told.length > 0, `told to come back: ${JSON.stringify(clients[i].log.slice(-10))}`);
  }
  await ask({ do: 'done', total, repeated });
});
