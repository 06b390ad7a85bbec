"""The network fails, messages go on, the client comes back: recovered is true, nothing is missing."""

from centrifuge import ClientState

from common import PEOPLE, ask, chat, connected, eventually, numbered, run, send, subscribed


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    client = await connected(ada)
    _, log = await subscribed(client, chat(), recoverable=True)
    for body in numbered("m", 1, 3):
        await send(ben, body)
    await eventually("three live", lambda: len(log.messages()) == 3)
    for first, last in ((4, 23), (24, 40)):
        await ask({"do": "cut"})
        await eventually("the client notices", lambda: client.state == ClientState.CONNECTING)
        for body in numbered("m", first, last):
            await send(ben, body)
        await ask({"do": "restore"})
        await eventually("all recovered", lambda: len(log.messages()) >= last)
        assert log.bodies() == numbered("m", 1, last)
        log.assert_gapless()
        again = log.of("subscribed")[-1]
        assert (again.was_recovering, again.recovered) == (True, True)
    await send(ben, "live again")
    await eventually("a live one", lambda: log.bodies()[-1] == "live again")


run(scenario)
