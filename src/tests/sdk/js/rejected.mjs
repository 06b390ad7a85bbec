// Who is no member neither reads nor writes: 103.
import { answers, assert, chat, connected, eventually, fixture, refused, run, subscription } from './common.mjs';

run(async () => {
  const { eve, ada } = fixture.people;
  const c = await connected(eve);
  assert.equal((await refused('publish', c.publish(chat(), { client_msg_id: 'e', body: 'let me in' }))).code, 103);
  const sent = c.rpc('chat.send', { room: fixture.room, client_msg_id: 'e2', body: 'let me in' });
  assert.equal((await refused('chat.send', sent)).code, 103);
  // Each is asked when it is waited for: a refusal that nobody waits for yet would end the process.
  for (const call of [() => c.history(chat(), { limit: 1 }), () => c.presence(chat()), () => c.presenceStats(chat())]) {
    assert.equal((await refused('reading', call())).code, 103);
  }
  for (const channel of [chat(), `user:${ada.id}`]) {
    const sub = subscription(c, channel);
    sub.subscribe();
    const gone = await eventually('refused', () => sub.of('unsubscribed')[0]);
    assert.equal(gone.code, 103, `${channel}: ${gone.code} ${gone.reason}`);
  }
  const unknown = subscription(c, 'nowhere:1');
  unknown.subscribe();
  assert.equal((await eventually('refused', () => unknown.of('unsubscribed')[0])).code, 102);
  assert.equal(c.state, 'connected', 'refusals end no connection');
  // The own channel is the server's to give; publishing into it is nobody's.
  const own = await refused('publish to user:', c.publish(`user:${eve.id}`, { x: 1 }));
  assert.ok([103, 108].includes(own.code), `${own.code}`);
  await answers(c, eve);
});
