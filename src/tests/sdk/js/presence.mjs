// Presence names who is there; join and leave tell of coming and going.
import { assert, chat, connected, eventually, fixture, run, subscribed, within } from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const a = await connected(ada);
  const sub = await subscribed(a, chat(), { joinLeave: true });
  const users = async () =>
    Object.values((await within('presence', sub.presence())).clients).map((info) => info.user).sort();
  assert.deepEqual(await users(), [ada.id]);

  const b = await connected(ben);
  const other = await subscribed(b, chat(), { joinLeave: true });
  await eventually('the join', () => sub.of('join').some((e) => e.info.user === ben.id));
  assert.deepEqual(await users(), [ada.id, ben.id].sort());
  const stats = await within('presence stats', sub.presenceStats());
  assert.deepEqual([stats.numClients, stats.numUsers], [2, 2]);

  other.unsubscribe();
  await eventually('the leave', () => sub.of('leave').some((e) => e.info.user === ben.id));
  assert.deepEqual(await users(), [ada.id]);

  other.subscribe();
  await within('subscribe again', other.ready());
  await eventually('the second join', () => sub.of('join').filter((e) => e.info.user === ben.id).length === 2);
  b.disconnect();
  await eventually('the second leave', () => sub.of('leave').filter((e) => e.info.user === ben.id).length === 2);
  assert.deepEqual(await users(), [ada.id]);
});
