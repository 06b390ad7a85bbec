"""chat.send answers where the message stands; the same client_msg_id again is the same message."""

import asyncio

from common import PEOPLE, ROOM, chat, connected, eventually, refused, run, subscribed, within


async def scenario():
    client = await connected(PEOPLE["ada"])
    _, log = await subscribed(client, chat())
    message = {"room": ROOM, "client_msg_id": "once", "body": "only once"}
    first = (await within("chat.send", client.rpc("chat.send", message))).data
    assert first["duplicate"] is False and first["seq"] > 0 and first["epoch"], first
    again = (await within("chat.send again", client.rpc("chat.send", message))).data
    assert again == {**first, "duplicate": True}, again

    many = await within("pipelined", asyncio.gather(*(
        client.rpc("chat.send", {"room": ROOM, "client_msg_id": f"many-{n}", "body": f"many-{n}"})
        for n in range(50))))
    assert [answer.data["seq"] for answer in many] == list(range(first["seq"] + 1, first["seq"] + 51))
    await eventually("all came", lambda: len(log.messages()) >= 51)
    assert len(log.messages()) == 51

    page = (await within("chat.history", client.rpc("chat.history", {"room": ROOM, "limit": 10}))).data
    assert len(page["items"]) == 10
    assert await refused("an unknown method", client.rpc("no.such", {})) == 104
    for bad in ({}, {"room": 7}, {**message, "client_msg_id": "empty", "body": ""}):
        code = await refused(f"bad data {bad}", client.rpc("chat.send", bad))
        assert code == 107 or 400 <= code < 2000, code
    assert len(client.events.of("connected")) == 1, "errors end no connection"


run(scenario)
