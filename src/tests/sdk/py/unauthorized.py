"""No token: error 101. A token that is none: 3500, for good."""

from centrifuge import ClientState

from common import PEOPLE, client, eventually, run


async def scenario():
    for given, code in (("", 101), ("no such token", 3500)):
        c = client(PEOPLE["ada"], token=given, get_token=None)
        await c.connect()
        await eventually("disconnected", lambda: c.state == ClientState.DISCONNECTED)
        ended = c.events.of("disconnected")[0]
        assert ended.code == code, ended
        assert ended.reason, "a reason is given"
        assert len(c.events.of("connecting")) == 1, "no second try"


run(scenario)
