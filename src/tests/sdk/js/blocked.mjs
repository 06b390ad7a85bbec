// Whoever has blocked somebody gets none of their words, live or by recovery, and no gap either.
import { ask, assert, assertGapless, bodies, chat, client, eventually, fixture, rest, run, send, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada, ben, other } = fixture.people;
  const c = client(ada);
  c.connect();
  await within('connect', c.ready());
  const sub = await subscribed(c, chat(), { recoverable: true });
  const bens = client(ben);
  bens.connect();
  const theirs = await subscribed(bens, chat(), { recoverable: true });
  const typing = await subscribed(c, `typing:${fixture.room}`);

  const hidden = () => sub.of('publication').filter((p) => p.data.type === 'hidden');
  const words = () => JSON.stringify(sub.of('publication').map((p) => p.data));
  await send(ben, 'before');
  await eventually('live', () => sub.messages().length === 1);

  // Blocked on another device of hers: this one goes by it as well.
  await rest(other, 'PUT', `/api/v1/chat/blocks/${ben.id}`);
  const said = await send(ben, 'a secret');
  const path = `/api/v1/chat/rooms/${fixture.room}/messages/${said.message_id}`;
  await within('edit', bens.rpc('chat.edit', { room: fixture.room, message_id: said.message_id, body: 'a secret, changed' }));
  await within('typing', bens.rpc('typing.start', { room: fixture.room }));
  await send(ada, 'mine');
  await eventually('mine', () => bodies(sub.messages()).includes('mine'));
  assert.deepEqual(hidden().map((p) => [p.data.seq, p.data.message_id]), [[said.seq, said.message_id], [said.seq + 1, said.message_id]]);
  await eventually('theirs', () => bodies(theirs.messages()).includes('mine'));
  assert.deepEqual(bodies(theirs.messages()), ['before', 'a secret', 'mine'], 'others get it as ever');

  // Away and back: the same by recovery.
  await ask({ do: 'cut' });
  await eventually('the client notices', () => c.state === 'connecting');
  await rest(ben, 'POST', `/api/v1/chat/rooms/${fixture.room}/messages`, { client_msg_id: 'again', body: 'a secret again' });
  await rest(ada, 'POST', `/api/v1/chat/rooms/${fixture.room}/messages`, { client_msg_id: 'more', body: 'mine again' });
  await ask({ do: 'restore' });
  await eventually('recovered', () => bodies(sub.messages()).includes('mine again'));
  const last = sub.of('subscribed').at(-1);
  assert.deepEqual([last.wasRecovering, last.recovered], [true, true]);
  assert.equal(hidden().length, 3);
  const page = await within('history', sub.history({ limit: 100 }));
  assert.ok(!JSON.stringify(page.publications.map((p) => p.data)).includes('secret'), 'nor in the channel’s history');
  assert.ok(!words().includes('secret'), words());
  assertGapless(sub.of('publication'));
  assert.equal(typing.of('publication').length, 0, 'nor that they are typing');

  // And no longer: what comes from now on is there again.
  await rest(other, 'DELETE', `/api/v1/chat/blocks/${ben.id}`);
  await send(ben, 'friends again');
  await eventually('live again', () => bodies(sub.messages()).includes('friends again'));
  assert.equal((await rest(ben, 'GET', path)).body, 'a secret, changed');
});
