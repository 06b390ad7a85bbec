// No token: error 101. A token that is none: 3500, for good.
import { assert, client, eventually, fixture, run, Spy } from './common.mjs';

run(async () => {
  const { ada } = fixture.people;
  for (const [options, code] of [[{ getToken: null }, 101], [{ getToken: null, token: 'no such token' }, 3500]]) {
    const before = Spy.all.length;
    const c = client(ada, options);
    c.connect();
    await eventually('disconnected', () => c.state === 'disconnected');
    const ended = c.log.find((e) => e.event === 'disconnected');
    assert.equal(ended.code, code, JSON.stringify(ended));
    assert.ok(ended.reason, 'a reason is given');
    assert.equal(Spy.all.length, before + 1, 'no second try');
  }
});
