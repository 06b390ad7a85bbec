// A connection outlives its token: the SDK refreshes it in time and the connection stays.
import { answers, assert, client, eventually, fixture, run, Spy, token, within } from './common.mjs';

run(async () => {
  const { ada } = fixture.people;
  let fetched = 0;
  const c = client(ada, { getToken: () => { fetched += 1; return token(ada); } });
  c.connect();
  await within('connect', c.ready());
  // GIGSY_REALTIME_TOKEN_SECONDS is a few seconds.
  await eventually('three refreshes', () => fetched >= 4, 40000);
  await answers(c, ada);
  assert.equal(c.log.filter((e) => e.event === 'connected').length, 1, 'never reconnected');
  assert.equal(Spy.all.length, 1);
  const refreshes = Spy.all[0].sent.flatMap((frame) => frame.split('\n')).filter((line) => line.includes('"refresh"'));
  assert.ok(refreshes.length >= 2, 'the refresh command was used');
});
