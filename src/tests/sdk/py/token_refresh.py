"""A connection outlives its token: the SDK refreshes it in time and the connection stays."""

from common import PEOPLE, answers, client, eventually, run, token, within


async def scenario():
    ada, fetched = PEOPLE["ada"], []

    async def get_token():
        fetched.append(await token(ada))
        return fetched[-1]

    c = client(ada, get_token=get_token)
    await c.connect()
    await within("connect", c.ready(15))
    await eventually("three refreshes", lambda: len(fetched) >= 4, 40)
    await answers(c, ada)
    assert len(c.events.of("connected")) == 1, "never reconnected"


run(scenario)
