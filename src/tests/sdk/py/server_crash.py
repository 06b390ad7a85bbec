"""The server is killed and comes back: the SDK reconnects by itself and recovers every message."""

from common import PEOPLE, ask, chat, connected, eventually, numbered, run, send, subscribed


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    _, log = await subscribed(await connected(ada), chat(), recoverable=True)
    for body in numbered("m", 1, 5):
        await send(ben, body)
    await eventually("five live", lambda: len(log.messages()) == 5)
    await ask({"do": "cut"})
    for body in numbered("m", 6, 10):
        await send(ben, body)
    await ask({"do": "crash"})
    await ask({"do": "restore"})
    await eventually("recovered", lambda: len(log.messages()) >= 10, 20)
    assert log.bodies() == numbered("m", 1, 10)
    log.assert_gapless()
    assert log.of("subscribed")[-1].recovered


run(scenario)
