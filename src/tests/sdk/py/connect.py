"""Connect with a token; the server subscribes the client to the person's own channel, and the
connection lives through its pings."""

import time

from common import PEOPLE, answers, connected, eventually, run


async def scenario():
    ada = PEOPLE["ada"]
    began = time.monotonic()
    # The server pings each two seconds and wants pongs; the client wants pings.
    client = await connected(ada, name="scenario", version="1", max_server_ping_delay=2.0)
    assert len(client.events.of("connected")[0].client) >= 8
    own = lambda: [s for s in client.events.of("subscribed") if s.channel == f"user:{ada['id']}"]
    assert not (await eventually("the server-side subscription", own))[0].was_recovering
    await eventually("two pings' time", lambda: time.monotonic() - began > 4.5)
    await answers(client, ada)
    assert len(client.events.of("connected")) == 1, "one connection served throughout"


run(scenario)
