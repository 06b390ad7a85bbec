// What the client missed was cut from the log: an honest recovered: false, and live from the top.
import { ask, assert, bodies, chat, client, eventually, fixture, numbered, run, send, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const c = client(ada);
  c.connect();
  await within('connect', c.ready());
  const sub = await subscribed(c, chat(), { recoverable: true });
  for (const body of numbered('m', 1, 3)) await send(ben, body);
  await eventually('three live', () => sub.messages().length === 3);

  await ask({ do: 'cut' });
  await eventually('the client notices', () => c.state === 'connecting');
  const missed = [];
  for (const body of numbered('m', 4, 13)) missed.push(await send(ben, body));
  await ask({ do: 'cut_log', room: fixture.room, seq: missed[4].seq });
  await ask({ do: 'restore' });
  await eventually('subscribed again', () => sub.of('subscribed').length === 2);
  const again = sub.of('subscribed')[1];
  assert.deepEqual([again.wasRecovering, again.recovered], [true, false]);
  assert.equal(again.streamPosition.offset, missed.at(-1).seq, 'the current top is told');

  await send(ben, 'after');
  await eventually('live', () => sub.messages().length >= 4);
  assert.deepEqual(bodies(sub.messages()), [...numbered('m', 1, 3), 'after'], 'nothing half recovered');
});
