// An expired token is answered with 109: the SDK fetches another. Who gets none is out for good.
import { assert, client, eventually, fixture, rest, run, Spy, token, UnauthorizedError, within } from './common.mjs';

run(async () => {
  const { ada } = fixture.people;
  const old = await rest(ada, 'POST', '/api/v1/realtime/token');
  await eventually('the token expires', () => Date.now() > Date.parse(old.expires_at) + 1000, 20000);
  const c = client(ada, { token: old.token, getToken: () => token(ada) });
  c.connect();
  await within('connect', c.ready());
  assert.ok(Spy.all[0].received.some((line) => JSON.parse(line).error?.code === 109), 'answered with 109');

  let signedOut = false;
  const leaver = client(ada, {
    getToken: () => (signedOut ? Promise.reject(new UnauthorizedError('')) : token(ada)),
  });
  leaver.connect();
  await within('connect', leaver.ready());
  signedOut = true;
  await eventually('the connection ends', () => leaver.state === 'disconnected', 30000);
});
