// History pages both ways, and the pages are the stream.
import { assert, assertGapless, bodies, chat, connected, fixture, numbered, run, send, subscribed, within }
  from './common.mjs';

run(async () => {
  const { ada } = fixture.people;
  const said = numbered('line', 1, 25);
  for (const body of said) await send(ada, body);
  const sub = await subscribed(await connected(ada), chat());

  const top = await within('top', sub.history({ limit: 0 }));
  assert.equal(top.publications.length, 0);
  assert.ok(top.offset >= 25 && top.epoch, JSON.stringify(top));

  for (const reverse of [false, true]) {
    const all = [];
    // Centrifuge: `since` is exclusive; 0 forwards is the beginning, top + 1 backwards the end.
    let since = { offset: reverse ? top.offset + 1 : 0, epoch: top.epoch };
    for (;;) {
      const page = await within('a page', sub.history({ limit: 10, since, reverse }));
      assert.ok(page.publications.length <= 10);
      if (page.publications.length === 0) break;
      all.push(...page.publications);
      since = { offset: page.publications.at(-1).offset, epoch: top.epoch };
      assert.ok(all.length <= top.offset, 'pages do not repeat');
      if (reverse && since.offset <= 1) break;
    }
    if (reverse) all.reverse();
    assert.equal(all.length, top.offset, 'every event once');
    assertGapless(all);
    assert.deepEqual(bodies(all.filter((p) => p.data.type === 'message')), said);
  }
});
