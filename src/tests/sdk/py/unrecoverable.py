"""What the client missed was cut from the log: an honest recovered: false, and live from the top."""

from centrifuge import ClientState

from common import PEOPLE, ROOM, ask, chat, connected, eventually, numbered, run, send, subscribed


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    client = await connected(ada)
    _, log = await subscribed(client, chat(), recoverable=True)
    for body in numbered("m", 1, 3):
        await send(ben, body)
    await eventually("three live", lambda: len(log.messages()) == 3)
    await ask({"do": "cut"})
    await eventually("the client notices", lambda: client.state == ClientState.CONNECTING)
    missed = [await send(ben, body) for body in numbered("m", 4, 13)]
    await ask({"do": "cut_log", "room": ROOM, "seq": missed[4]["seq"]})
    await ask({"do": "restore"})
    await eventually("subscribed again", lambda: len(log.of("subscribed")) == 2)
    again = log.of("subscribed")[1]
    assert (again.was_recovering, again.recovered) == (True, False)
    assert again.stream_position.offset == missed[-1]["seq"], "the current top is told"
    await send(ben, "after")
    await eventually("live", lambda: len(log.messages()) >= 4)
    assert log.bodies() == numbered("m", 1, 3) + ["after"], "nothing half recovered"


run(scenario)
