// Clients of both forms in one room: each reads what the other says, and both recover.
import { ask, assert, assertGapless, bodies, chat, client, eventually, fixture, numbered, run, send, Spy, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada, ben } = fixture.people;
  const members = [];
  for (const [person, form] of [[ada, 'protobuf'], [ben, 'json'], [ben, 'protobuf']]) {
    const c = client(person, { form });
    c.connect();
    await within('connect', c.ready());
    members.push({ c, sub: await subscribed(c, chat(), { recoverable: true, joinLeave: true }) });
  }
  assert.deepEqual(Spy.all.map((socket) => socket.protocol), ['centrifuge-protobuf', '', 'centrifuge-protobuf']);
  assert.ok(Spy.all.every((socket, n) => (n === 1 ? socket.frames.binary : socket.frames.text) === 0));
  const [first, second] = members;
  await eventually('the join', () => first.sub.of('join').some((e) => e.info.user === ben.id));

  const odd = 'two\nlines, "quotes", ünïcödé, 👩🏽‍💻';
  const said = [];
  for (const [n, { c, sub }] of members.entries()) {
    for (const body of [`${n} by rpc`, `${n} ${odd}`]) {
      said.push(body);
      const message = { room: fixture.room, client_msg_id: `${said.length}`, body };
      const { data } = await within('chat.send', c.rpc('chat.send', message));
      assert.ok(data.seq > 0 && data.duplicate === false, JSON.stringify(data));
    }
    said.push(`${n} published`);
    await within('publish', sub.publish({ client_msg_id: `p${n}`, body: `${n} published` }));
  }
  const everybodyHas = (what) => eventually('everybody has it', () =>
    members.every(({ sub }) => sub.messages().length >= what.length));
  await everybodyHas(said);
  for (const { sub } of members) assert.deepEqual(bodies(sub.messages()), said);
  const heard = members.map(({ sub }) => sub.messages().map(({ offset, data }) => ({ offset, data })));
  for (const other of heard.slice(1)) assert.deepEqual(other, heard[0], 'the same, in both forms');

  // Away together, and back: each recovers in its own form.
  await ask({ do: 'cut' });
  await eventually('the clients notice', () => members.every(({ c }) => c.state === 'connecting'));
  for (const body of numbered('missed', 1, 20)) {
    await send(ben, body);
    said.push(body);
  }
  await ask({ do: 'restore' });
  await everybodyHas(said);
  for (const { sub } of members) {
    assert.deepEqual(bodies(sub.messages()), said);
    assertGapless(sub.of('publication'));
    const last = sub.of('subscribed').at(-1);
    assert.deepEqual([last.wasRecovering, last.recovered], [true, true]);
  }

  // What a client of the other form asks of the room is the same.
  const asked = [];
  for (const { sub } of members) {
    const { epoch } = await within('the top', sub.history({ limit: 0 }));
    const since = { offset: 2, epoch };
    const { publications: page } = await within('history', sub.history({ limit: 5, since }));
    assert.equal(page.length, 5);
    const { clients } = await within('presence', sub.presence());
    const users = Object.values(clients).map(({ user }) => user).sort();
    asked.push({ page: page.map(({ offset, data }) => ({ offset, data })), epoch, users,
      stats: await within('presence stats', sub.presenceStats()) });
  }
  assert.deepEqual(asked[0].users, [ada.id, ben.id, ben.id].sort());
  for (const other of asked.slice(1)) assert.deepEqual(other, asked[0]);

  second.sub.unsubscribe();
  await eventually('the leave', () => first.sub.of('leave').some((e) => e.info.user === ben.id));

  // Bytes that are no JSON are refused, and end nothing.
  const { rpc } = Object.getPrototypeOf(first.c);
  const error = await rpc.call(first.c, 'chat.send', new Uint8Array([0xff, 0x00])).then(() => null, (e) => e);
  assert.equal(error?.code, 107, JSON.stringify(error));
  assert.equal(first.c.state, 'connected');
});
