// A published message reaches every subscriber, the sender too, at the offset that is its seq.
import { assert, assertGapless, bodies, chat, connected, eventually, fixture, numbered, run, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const [a, b] = [await connected(ada), await connected(ben)];
  const [from, to] = [await subscribed(a, chat()), await subscribed(b, chat())];
  const said = [...numbered('hello', 1, 5), 'two\nlines, "quotes", ünïcödé, 👩🏽‍💻'];
  for (const [n, body] of said.entries()) await within('publish', from.publish({ client_msg_id: `p-${n}`, body }));
  for (const sub of [from, to]) {
    await eventually('all messages', () => sub.messages().length >= said.length);
    assert.deepEqual(bodies(sub.messages()), said);
    assertGapless(sub.of('publication'));
    assert.ok(sub.messages().every((m) => m.data.sender_id === ada.id), 'sent by Ada');
  }
});
