"""Several subscriptions made before connecting are all there once connected."""

from common import FIXTURE, PEOPLE, chat, client, run, subscription, within


async def scenario():
    c = client(PEOPLE["ada"])
    subs = [subscription(c, chat(room), recoverable=True)[0] for room in FIXTURE["rooms"]]
    for sub in subs:
        await sub.subscribe()
    await c.connect()
    await within("connect", c.ready(15))
    for sub in subs:
        await within(f"subscribe {sub.channel}", sub.ready(15))
    assert len(c.events.of("connected")) == 1


run(scenario)
