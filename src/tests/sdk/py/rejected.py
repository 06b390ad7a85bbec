"""Who is no member neither reads nor writes: 103."""

from common import PEOPLE, ROOM, answers, chat, connected, eventually, refused, run, subscription


async def scenario():
    eve, ada = PEOPLE["eve"], PEOPLE["ada"]
    client = await connected(eve)
    message = {"client_msg_id": "e", "body": "let me in"}
    assert await refused("publish", client.publish(chat(), message)) == 103
    assert await refused("chat.send", client.rpc("chat.send", {"room": ROOM, **message})) == 103
    assert await refused("history", client.history(chat(), limit=1)) == 103
    assert await refused("presence", client.presence(chat())) == 103
    for channel in (chat(), f"user:{ada['id']}"):
        sub, log = subscription(client, channel)
        await sub.subscribe()
        gone = (await eventually("refused", lambda: log.of("unsubscribed")))[0]
        assert gone.code == 103, gone
    await answers(client, eve)


run(scenario)
