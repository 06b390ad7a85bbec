"""A client that does not read is closed with 3008 and loses nothing; the others notice nothing."""

from common import FIXTURE, PEOPLE, ask, chat, connected, eventually, run, subscribed


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    slow = await connected(ada, max_server_ping_delay=120.0)
    _, stalled = await subscribed(slow, chat(), recoverable=True)
    other = await connected(ben, url=FIXTURE["direct_ws"])
    _, flowing = await subscribed(other, chat(), recoverable=True)
    heads = lambda log: [body.split(" ")[0] for body in log.bodies()]

    await ask({"do": "stall"})
    said = (await ask({"do": "flood", "from": 1}))["bodies"]
    assert len(stalled.messages()) < len(said), "the stall held something back"
    await ask({"do": "flow"})
    told = lambda: [ctx for ctx in slow.events.of("connecting") if ctx.code == 3008]
    await eventually("told that it was slow", told, 30)

    # More than its queue holds, while it is away: one recovery brings it all.
    await ask({"do": "cut"})
    said += (await ask({"do": "flood", "from": len(said) + 1, "count": 500}))["bodies"]
    await ask({"do": "restore"})
    await eventually("the other has everything", lambda: len(flowing.messages()) >= len(said), 30)
    assert heads(flowing) == said
    assert len(other.events.of("connected")) == 1, "the other stayed connected"
    await eventually("all recovered", lambda: len(stalled.messages()) >= len(said), 30)
    assert heads(stalled) == said
    stalled.assert_gapless()
    assert stalled.of("subscribed")[-1].recovered
    assert len(told()) == 1, "its recovery did not make it slow again"


run(scenario)
