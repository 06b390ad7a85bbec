"""A revoked session's connections end within a second, for good; the person's other session stays."""

import time

from centrifuge import ClientState

from common import PEOPLE, answers, chat, connected, eventually, rest, run, subscribed


async def scenario():
    ada, other = PEOPLE["ada"], PEOPLE["other"]  # two sessions of one person
    doomed = await connected(ada)
    await subscribed(doomed, chat())
    staying = await connected(other)
    began = time.monotonic()
    await rest(ada, "DELETE", "/api/v1/auth/sessions/current")
    await eventually("disconnected", lambda: doomed.state == ClientState.DISCONNECTED, 3)
    assert time.monotonic() - began < 2, "within a second of the answer"
    assert 3500 <= doomed.events.of("disconnected")[0].code < 4000
    await answers(staying, other)


run(scenario)
