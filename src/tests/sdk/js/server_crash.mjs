// The server is killed and comes back: the SDK reconnects by itself and recovers every message.
import { ask, assert, assertGapless, bodies, chat, connected, eventually, fixture, numbered, run, send, subscribed }
  from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const c = await connected(ada);
  const sub = await subscribed(c, chat(), { recoverable: true });
  for (const body of numbered('m', 1, 5)) await send(ben, body);
  await eventually('five live', () => sub.messages().length === 5);
  await ask({ do: 'cut' });
  for (const body of numbered('m', 6, 10)) await send(ben, body);
  await ask({ do: 'crash' });
  await ask({ do: 'restore' });
  await eventually('recovered', () => sub.messages().length >= 10, 20000);
  assert.deepEqual(bodies(sub.messages()), numbered('m', 1, 10));
  assertGapless(sub.of('publication'));
  assert.equal(sub.of('subscribed').at(-1).recovered, true);
});
