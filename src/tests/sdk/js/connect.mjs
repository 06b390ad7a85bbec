// Connect with a token; the server subscribes the client to the person's own channel, and its pings
// are answered.
import { answers, assert, client, eventually, fixture, run, Spy, within } from './common.mjs';

run(async () => {
  const { ada } = fixture.people;
  const c = client(ada, { name: 'scenario', version: '1' });
  c.connect();
  await within('connect', c.ready());
  const { client: id } = c.log.find((e) => e.event === 'connected');
  assert.match(id, /^\S{8,}$/);
  const own = await eventually('the server-side subscription', () =>
    c.log.find((e) => e.event === 'subscribed' && e.channel === `user:${ada.id}`));
  assert.equal(own.wasRecovering, false);

  const socket = Spy.all[0];
  const welcome = JSON.parse(socket.received[0]).connect;
  assert.ok(welcome.ping > 0 && welcome.pong === true, JSON.stringify(welcome));
  await eventually('two pings', () => socket.pings >= 2);
  assert.ok(socket.sent.filter((frame) => frame === '{}').length >= 1, 'a pong was sent');
  await answers(c, ada);
  assert.equal(Spy.all.length, 1, 'one connection served throughout');
});
