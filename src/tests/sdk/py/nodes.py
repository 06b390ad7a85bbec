"""One client on each of two nodes; both write into one room and read it while NATS is away and a node
dies. What was acknowledged anywhere is read everywhere: once, in one order, without a gap."""

import asyncio

from common import FIXTURE, PEOPLE, ROOM, ask, chat, connected, eventually, run, subscribed, within


async def scenario():
    me = PEOPLE["me"]
    clients = [await connected(me), await connected(me, url=FIXTURE["there"])]
    subs = [await subscribed(c, chat(), recoverable=True, join_leave=True) for c in clients]

    over = asyncio.Event()
    acked = {}

    async def write(client, name):
        n = 0
        while not over.is_set():
            body = f"{FIXTURE['name']}{name}-{n}"
            while True:
                try:
                    message = {"room": ROOM, "client_msg_id": body, "body": body}
                    acked[body] = (await client.rpc("chat.send", message)).data["seq"]
                    break
                except Exception:
                    await asyncio.sleep(0.05)  # away for a moment: the same again, which is one message
            n += 1
            await asyncio.sleep(0.04)

    await ask({"do": "ready"})
    writers = [asyncio.create_task(write(c, name)) for c, name in zip(clients, "ab")]
    await ask({"do": "storm"})
    over.set()
    await within("the last acknowledgements", asyncio.gather(*writers), 30)
    everything = (await ask({"do": "acked", "acked": acked}))["all"]

    for _, log in subs:
        await eventually("every message", lambda: len(log.messages()) >= len(everything))
        await asyncio.sleep(0.2)
        log.assert_gapless()
        assert len(log.messages()) == len(everything), "none twice"
        last = {}
        for pub in log.messages():
            body = pub.data["body"]
            assert everything[body] == pub.offset, f"{body} is where it was said to be"
            name, n = body.split("-")
            assert int(n) > last.get(name, -1), f"{body} in the order it was written"
            last[name] = int(n)
        for again in log.of("subscribed")[1:]:
            assert again.was_recovering and again.recovered, "recovered, on whichever node"

    # Both nodes name the same four connections: two of this SDK, two of the other.
    for sub, _ in subs:
        there = []
        for _ in range(150):
            there = list((await within("presence", sub.presence())).clients)
            if len(there) == 4:
                break
            await asyncio.sleep(0.1)
        assert len(there) == 4, there
        assert (await within("stats", sub.presence_stats())).num_users == 2
    await ask({"do": "acked", "acked": {}})  # the other SDK has looked, too


run(scenario)
