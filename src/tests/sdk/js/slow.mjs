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
  const { bodies: said } = await ask({ do: 'flood', from: 1 });
  assert.ok(stalled.messages().length < said.length, 'the stall held something back');
  await ask({ do: 'flow' });
  const told = () => slow.log.filter((e) => e.event === 'connecting' && e.code === 3008).length;
  await eventually('told that it was slow', told, 30000);

  // More than its queue holds, while it is away: one recovery brings it all.
  await ask({ do: 'cut' });
  said.push(...(await ask({ do: 'flood', from: said.length + 1, count: 500 })).bodies);
  await ask({ do: 'restore' });
  await eventually('the other has everything', () => flowing.messages().length >= said.length, 30000);
  assert.deepEqual(bodies(flowing.messages()).map((body) => body.split(' ')[0]), said);
  assert.equal(other.log.filter((e) => e.event === 'connected').length, 1, 'the other stayed connected');
  await eventually('all recovered', () => stalled.messages().length >= said.length, 30000);
  assert.deepEqual(bodies(stalled.messages()).map((body) => body.split(' ')[0]), said);
  assertGapless(stalled.of('publication'));
  assert.equal(stalled.of('subscribed').at(-1).recovered, true);
  assert.equal(told(), 1, 'its recovery did not make it slow again');
});
