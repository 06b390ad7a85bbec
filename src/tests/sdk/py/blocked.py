"""Whoever has blocked somebody gets none of their words, live or by recovery, and no gap either."""

from centrifuge import ClientState

from common import PEOPLE, ROOM, ask, chat, connected, eventually, rest, run, send, subscribed


async def scenario():
    ada, ben, other = PEOPLE["ada"], PEOPLE["ben"], PEOPLE["other"]
    client = await connected(ada)
    _, log = await subscribed(client, chat(), recoverable=True)
    await send(ben, "before")
    await eventually("live", lambda: log.bodies() == ["before"])

    await rest(other, "PUT", f"/api/v1/chat/blocks/{ben['id']}")
    said = await send(ben, "a secret")
    await send(ada, "mine")
    await eventually("mine", lambda: "mine" in log.bodies())

    def hidden():
        return [ctx.pub for ctx in log.of("publication") if ctx.pub.data["type"] == "hidden"]

    assert [pub.offset for pub in hidden()] == [said["seq"]]

    await ask({"do": "cut"})
    await eventually("the client notices", lambda: client.state == ClientState.CONNECTING)
    for who, name, body in ((ben, "again", "a secret again"), (ada, "more", "mine again")):
        await rest(who, "POST", f"/api/v1/chat/rooms/{ROOM}/messages", {"client_msg_id": name, "body": body})
    await ask({"do": "restore"})
    await eventually("recovered", lambda: "mine again" in log.bodies())
    last = log.of("subscribed")[-1]
    assert (last.was_recovering, last.recovered) == (True, True)
    assert len(hidden()) == 2
    assert "secret" not in str([ctx.pub.data for ctx in log.of("publication")])
    log.assert_gapless()

    await rest(other, "DELETE", f"/api/v1/chat/blocks/{ben['id']}")
    await send(ben, "friends again")
    await eventually("live again", lambda: "friends again" in log.bodies())


run(scenario)
