// chat.send answers where the message stands; the same client_msg_id again is the same message.
import { assert, chat, connected, eventually, fixture, refused, run, subscribed, within } from './common.mjs';

run(async () => {
  const c = await connected(fixture.people.ada);
  const sub = await subscribed(c, chat());
  const message = { room: fixture.room, client_msg_id: 'once', body: 'only once' };
  const { data: first } = await within('chat.send', c.rpc('chat.send', message));
  assert.equal(first.duplicate, false);
  assert.ok(Number.isInteger(first.seq) && first.seq > 0 && first.epoch && first.message_id, JSON.stringify(first));
  const { data: again } = await within('chat.send again', c.rpc('chat.send', message));
  assert.deepEqual(again, { ...first, duplicate: true });

  // Pipelined: sent without waiting, answered in order, one seq after the other.
  const many = await within('pipelined', Promise.all(Array.from({ length: 50 }, (_, i) =>
    c.rpc('chat.send', { room: fixture.room, client_msg_id: `many-${i}`, body: `many-${i}` }))));
  many.forEach(({ data }, i) => assert.equal(data.seq, first.seq + 1 + i, 'in the order sent'));
  await eventually('all came', () => sub.messages().length >= 51);
  assert.equal(sub.messages().length, 51);

  const { data: page } = await within('chat.history', c.rpc('chat.history', { room: fixture.room, limit: 10 }));
  assert.equal(page.items.length, 10);

  assert.equal((await refused('an unknown method', c.rpc('no.such', {}))).code, 104);
  for (const bad of [{}, { room: 7 }, { ...message, client_msg_id: 'empty', body: '' },
    { ...message, client_msg_id: 'nul', body: 'a\u0000b' }, { ...message, client_msg_id: 'long', body: 'x'.repeat(60000) }]) {
    const error = await refused(`bad data ${JSON.stringify(bad).slice(0, 80)}`, c.rpc('chat.send', bad));
    assert.ok(error.code === 107 || (error.code >= 400 && error.code < 2000), `${error.code} ${error.message}`);
  }
  assert.equal(c.log.filter((e) => e.event === 'connected').length, 1, 'errors end no connection');
});
