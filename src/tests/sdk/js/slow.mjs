// A client that does not read is closed with 3008 and loses nothing; the others notice nothing.
import { ask, assert, assertGapless, bodies, chat, client, connected, eventually, fixture, run, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const slow = client(ada, { maxServerPingDelay: 120000 });
  slow.connect();
  await within('connect', slow.ready());
  const stalled = await subscribed(slow, chat(), { recoverable: true });
  const other = await connected(ben, { url: fixture.direct_ws });
  const flowing = await subscribed(other, chat(), { recoverable: true });

  await ask({ do: 'stall' });
  const { bodies: said } = await ask({ do: 'flood' });
  await eventually('the other has everything', () => flowing.messages().length >= said.length, 30000);
  assert.deepEqual(bodies(flowing.messages()).map((body) => body.split(' ')[0]), said);
  assert.equal(other.log.filter((e) => e.event === 'connected').length, 1, 'the other stayed connected');
  assert.ok(stalled.messages().length < said.length, 'the stall held something back');

  await ask({ do: 'flow' });
  await eventually('told that it was slow', () => slow.log.some((e) => e.event === 'connecting' && e.code === 3008), 30000);
  await eventually('all recovered', () => stalled.messages().length >= said.length, 30000);
  assert.deepEqual(bodies(stalled.messages()).map((body) => body.split(' ')[0]), said);
  assertGapless(stalled.of('publication'));
  assert.equal(stalled.of('subscribed').at(-1).recovered, true);
});
