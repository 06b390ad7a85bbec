// The network fails, messages go on, the client comes back: recovered is true and nothing is missing.
import { ask, assert, assertGapless, bodies, chat, client, eventually, fixture, numbered, run, send, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const c = client(ada);
  c.connect();
  await within('connect', c.ready());
  const sub = await subscribed(c, chat(), { recoverable: true });
  for (const body of numbered('m', 1, 3)) await send(ben, body);
  await eventually('three live', () => sub.messages().length === 3);

  for (const [from, to] of [[4, 23], [24, 40]]) {
    await ask({ do: 'cut' });
    await eventually('the client notices', () => c.state === 'connecting');
    for (const body of numbered('m', from, to)) await send(ben, body);
    await ask({ do: 'restore' });
    await eventually('all recovered', () => sub.messages().length >= to);
    assert.deepEqual(bodies(sub.messages()), numbered('m', 1, to));
    assertGapless(sub.of('publication'));
    const last = sub.of('subscribed').at(-1);
    assert.deepEqual([last.wasRecovering, last.recovered], [true, true]);
  }
  await send(ben, 'live again');
  await eventually('a live one', () => sub.messages().at(-1).data.body === 'live again');
});
