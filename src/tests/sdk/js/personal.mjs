// `user:<id>`: notifications have offsets and are recovered; what goes beside them has none, and neither
// breaks the position nor the recovery.
import { ask, assert, connected, eventually, fixture, rest, run, within } from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const own = `user:${ada.id}`;
  const list = () => rest(ada, 'GET', '/api/v1/notifications');
  const listed = (count) => within(`${count} listed`, (async () => {
    while ((await list()).items.length < count) await new Promise((done) => setTimeout(done, 50));
  })());
  await listed(1); // the welcome
  const c = await connected(ada);
  const heard = (type) => c.log.filter((e) => e.event === 'publication' && e.channel === own && e.data.type === type);

  await ask({ do: 'tell', times: 2 });
  await eventually('two told', () => heard('notification').length >= 2);
  const beside = () => c.log.filter((e) => e.event === 'publication' && e.channel === own && !e.offset);
  const before = beside().length;
  for (const name of ['One', 'Two', 'Three']) {
    await rest(ben, 'POST', '/api/v1/chat/rooms', { kind: 'group', name, member_ids: [ada.id] });
  }
  await eventually('three beside', () => beside().length >= before + 3);
  await ask({ do: 'tell', times: 2 });
  await eventually('four told', () => heard('notification').length >= 4);
  assert.equal(c.log.filter((e) => e.event === 'disconnected' || e.event === 'connecting').length, 1, 'one connection so far');

  // Away: what has an offset comes back, once and in order; what has none is gone.
  await ask({ do: 'cut' });
  await eventually('the client notices', () => c.state === 'connecting');
  await rest(ben, 'POST', '/api/v1/chat/rooms', { kind: 'group', name: 'Four', member_ids: [ada.id] });
  await ask({ do: 'tell', times: 5 });
  await listed(10);
  const besideThen = beside().length;
  await ask({ do: 'restore' });
  await eventually('all recovered', () => heard('notification').length >= 9);
  const last = c.log.filter((e) => e.event === 'subscribed' && e.channel === own).at(-1);
  assert.deepEqual([last.wasRecovering, last.recovered], [true, true]);
  assert.equal(beside().length, besideThen);

  // Read on another device: it is in the same stream.
  const { unread } = await rest(fixture.people.other, 'POST', '/api/v1/notifications/read', { all: true });
  assert.equal(unread, 0);
  await eventually('read here too', () => heard('notifications_read').length === 1);
  const answer = await within('ack', c.rpc('notifications.ack', { up_to: 1 }));
  assert.equal(answer.data.unread, 0);
  const offsets = c.log.filter((e) => e.event === 'publication' && e.channel === own && e.offset).map((e) => e.offset);
  offsets.forEach((offset, i) => assert.ok(i === 0 || offset === offsets[i - 1] + 1, `a gap: ${offsets}`));
  assert.equal((await list()).offset, offsets.at(-1));
});
