// Several subscribes in the same frame as connect are answered in order.
import { assert, chat, client, fixture, run, Spy, subscription, within } from './common.mjs';

run(async () => {
  const c = client(fixture.people.ada);
  const subs = fixture.rooms.map((room) => subscription(c, chat(room), { recoverable: true }));
  for (const sub of subs) sub.subscribe();
  c.connect();
  await within('connect', c.ready());
  for (const sub of subs) await within(`subscribe ${sub.channel}`, sub.ready());

  const first = Spy.all[0].sent[0].split('\n').map((line) => JSON.parse(line));
  assert.ok(first[0].connect, 'connect comes first');
  assert.equal(first.filter((command) => command.subscribe).length, subs.length, 'all in one frame');
  const replies = Spy.all[0].received.map((line) => JSON.parse(line)).filter((reply) => reply.id);
  assert.deepEqual(replies.map((reply) => reply.id), first.map((command) => command.id), 'answered in order');
  assert.equal(Spy.all.length, 1);
});
