"""Presence names who is there; join and leave tell of coming and going."""

from common import PEOPLE, chat, connected, eventually, run, subscribed, within


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    sub, log = await subscribed(await connected(ada), chat(), join_leave=True)

    async def users():
        clients = (await within("presence", sub.presence())).clients
        return sorted(info.user for info in clients.values())

    def seen(event):
        return len([ctx for ctx in log.of(event) if ctx.info.user == ben["id"]])

    assert await users() == [ada["id"]]
    client = await connected(ben)
    other, _ = await subscribed(client, chat(), join_leave=True)
    await eventually("the join", lambda: seen("join") == 1)
    assert await users() == sorted([ada["id"], ben["id"]])
    stats = await within("presence stats", sub.presence_stats())
    assert (stats.num_clients, stats.num_users) == (2, 2)
    await other.unsubscribe()
    await eventually("the leave", lambda: seen("leave") == 1)
    await other.subscribe()
    await within("subscribe again", other.ready(15))
    await eventually("the second join", lambda: seen("join") == 2)
    await client.disconnect()
    await eventually("the second leave", lambda: seen("leave") == 2)
    assert await users() == [ada["id"]]


run(scenario)
