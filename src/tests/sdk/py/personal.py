"""`user:<id>`: notifications have offsets and are recovered; what goes beside them has none, and neither
breaks the position nor the recovery."""

import asyncio

from centrifuge import ClientState

from common import PEOPLE, ask, connected, eventually, rest, run, within


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    own = f"user:{ada['id']}"

    async def listed(count):
        async def enough():
            while len((await rest(ada, "GET", "/api/v1/notifications"))["items"]) < count:
                await asyncio.sleep(0.05)

        await within(f"{count} listed", enough())

    await listed(1)  # the welcome
    client = await connected(ada)

    def heard():
        return [ctx.pub for ctx in client.events.of("publication") if ctx.channel == own]

    def told(kind):
        return [pub for pub in heard() if pub.data["type"] == kind]

    def beside():
        return [pub for pub in heard() if not pub.offset]

    async def room(name):
        await rest(ben, "POST", "/api/v1/chat/rooms", {"kind": "group", "name": name, "member_ids": [ada["id"]]})

    await ask({"do": "tell", "times": 2})
    await eventually("two told", lambda: len(told("notification")) >= 2)
    for name in ("One", "Two", "Three"):
        await room(name)
    await eventually("three beside", lambda: len(beside()) >= 3)
    await ask({"do": "tell", "times": 2})
    await eventually("four told", lambda: len(told("notification")) >= 4)
    assert len(client.events.of("connecting")) == 1, "one connection so far"

    await ask({"do": "cut"})
    await eventually("the client notices", lambda: client.state == ClientState.CONNECTING)
    await room("Four")
    await ask({"do": "tell", "times": 5})
    await listed(10)
    then = len(beside())
    await ask({"do": "restore"})
    await eventually("all recovered", lambda: len(told("notification")) >= 9)
    last = [ctx for ctx in client.events.of("subscribed") if ctx.channel == own][-1]
    assert (last.was_recovering, last.recovered) == (True, True)
    assert len(beside()) == then

    left = await rest(PEOPLE["other"], "POST", "/api/v1/notifications/read", {"all": True})
    assert left == {"unread": 0}
    await eventually("read here too", lambda: len(told("notifications_read")) == 1)
    answer = await within("ack", client.rpc("notifications.ack", {"up_to": 1}))
    assert answer.data == {"unread": 0}
    offsets = [pub.offset for pub in heard() if pub.offset]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), f"a gap: {offsets}"


run(scenario)
