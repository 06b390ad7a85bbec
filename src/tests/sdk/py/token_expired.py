"""An expired token is answered with 109: the SDK fetches another. Who gets none is out for good."""

import time
from datetime import datetime

from centrifuge import ClientState, UnauthorizedError

from common import PEOPLE, client, connected, eventually, rest, run, token, within


async def scenario():
    ada = PEOPLE["ada"]
    old = await rest(ada, "POST", "/api/v1/realtime/token")
    expires = datetime.fromisoformat(old["expires_at"].replace("Z", "+00:00")).timestamp()
    await eventually("the token expires", lambda: time.time() > expires + 1, 20)
    fetched = []

    async def another():
        fetched.append(await token(ada))
        return fetched[-1]

    c = client(ada, token=old["token"], get_token=another)
    await c.connect()
    await within("connect", c.ready(15))
    assert len(fetched) == 1, "the old one was answered with 109"

    signed_out = False

    async def until_signed_out():
        if signed_out:
            raise UnauthorizedError("signed out")
        return await token(ada)

    leaver = await connected(ada, get_token=until_signed_out)
    signed_out = True
    await eventually("the connection ends", lambda: leaver.state == ClientState.DISCONNECTED, 30)


run(scenario)
