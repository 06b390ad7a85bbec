"""A published message reaches every subscriber, the sender too, at the offset that is its seq."""

from common import PEOPLE, chat, connected, eventually, numbered, run, subscribed, within


async def scenario():
    ada, ben = PEOPLE["ada"], PEOPLE["ben"]
    sender, sent = await subscribed(await connected(ada), chat())
    _, got = await subscribed(await connected(ben), chat())
    said = numbered("hello", 1, 5) + ['two\nlines, "quotes", ünïcödé, 👩🏽‍💻']
    for n, body in enumerate(said):
        await within("publish", sender.publish({"client_msg_id": f"p-{n}", "body": body}))
    for log in (sent, got):
        await eventually("all messages", lambda: len(log.messages()) >= len(said))
        assert log.bodies() == said
        log.assert_gapless()
        assert all(pub.data["sender_id"] == ada["id"] for pub in log.messages())


run(scenario)
