"""What the scenarios share: the unmodified PyPI `centrifuge-python` client, REST, bounded waits, and
questions to the Rust test that started this (see src/tests/support/sdk.rs).

With GIGSY_SDK_FORMAT=protobuf the SDK speaks Protobuf. There payloads are bytes; here they are made JSON on the
way in and out, so that a scenario is the same in both forms."""

import asyncio
import json
import os
import sys
import time
import traceback
import urllib.error
import urllib.request

from centrifuge import Client, ClientEventHandler, ReplyError, SubscriptionEventHandler

FIXTURE = json.loads(sys.argv[1])
PEOPLE = FIXTURE["people"]
ROOM = FIXTURE.get("room", "")
PROTOBUF = os.environ.get("GIGSY_SDK_FORMAT") == "protobuf"


def chat(room=ROOM):
    return f"chat:{room}"


async def ask(question):
    """Has the Rust side do something, and gives its answer."""
    print("@ask", json.dumps(question), flush=True)
    return json.loads(await asyncio.to_thread(sys.stdin.readline))


async def within(what, awaitable, seconds=15.0):
    try:
        return await asyncio.wait_for(awaitable, seconds)
    except asyncio.TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


async def eventually(what, look, seconds=15.0):
    """Waits until `look()` is true, and gives what it gave."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.01)
    return found


async def refused(what, awaitable):
    """Awaits what must be refused, and gives the error's code."""
    try:
        answer = await within(what, awaitable)
    except ReplyError as error:
        return error.code
    raise AssertionError(f"{what} was accepted: {answer}")


def _call(person, method, path, body):
    request = urllib.request.Request(
        FIXTURE["base"] + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": f"Bearer {person['token']}", "content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=15) as response:
            text = response.read()
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()}") from None
    return json.loads(text) if text else None


async def rest(person, method, path, body=None):
    return await asyncio.to_thread(_call, person, method, path, body)


async def answers(client, person):
    """A command that every connection may give: it must be answered."""
    await within("an answer", client.history(f"user:{person['id']}", limit=0))


async def send(person, body, room=ROOM):
    """A message by REST; its answer holds `seq`."""
    message = {"client_msg_id": body.replace(" ", "-"), "body": body}
    return await rest(person, "POST", f"/api/v1/chat/rooms/{room}/messages", message)


async def token(person):
    return (await rest(person, "POST", "/api/v1/realtime/token"))["token"]


def _read(holder):
    """Makes the payload of something JSON, where it came as bytes."""
    if isinstance(holder.data, bytes):
        holder.data = json.loads(holder.data)
    return holder


class JsonClient(Client):
    """The SDK's client in its Protobuf form, with JSON in and out."""

    async def publish(self, channel, data, *args, **kwargs):
        return await super().publish(channel, json.dumps(data).encode(), *args, **kwargs)

    async def rpc(self, method, data, *args, **kwargs):
        return _read(await super().rpc(method, json.dumps(data).encode(), *args, **kwargs))

    async def history(self, *args, **kwargs):
        page = await super().history(*args, **kwargs)
        for publication in page.publications:
            _read(publication)
        return page


class _ClientLog(ClientEventHandler):
    def __init__(self):
        self.log = []

    def of(self, event):
        return [ctx for name, ctx in self.log if name == event]

    async def on_connecting(self, ctx):
        self.log.append(("connecting", ctx))

    async def on_connected(self, ctx):
        self.log.append(("connected", ctx))

    async def on_disconnected(self, ctx):
        self.log.append(("disconnected", ctx))

    async def on_error(self, ctx):
        self.log.append(("error", ctx))

    async def on_subscribed(self, ctx):
        self.log.append(("subscribed", ctx))

    async def on_publication(self, ctx):
        _read(ctx.pub)
        self.log.append(("publication", ctx))


class SubscriptionLog(SubscriptionEventHandler):
    """A subscription's events in order."""

    def __init__(self):
        self.log = []

    def of(self, event):
        return [ctx for name, ctx in self.log if name == event]

    def messages(self):
        pubs = [ctx.pub for ctx in self.of("publication")]
        return [pub for pub in pubs if pub.data["type"] == "message"]

    def bodies(self):
        return [pub.data["body"] for pub in self.messages()]

    def assert_gapless(self):
        offsets = [ctx.pub.offset for ctx in self.of("publication")]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets))), f"a gap: {offsets}"

    async def on_subscribing(self, ctx):
        self.log.append(("subscribing", ctx))

    async def on_subscribed(self, ctx):
        self.log.append(("subscribed", ctx))

    async def on_unsubscribed(self, ctx):
        self.log.append(("unsubscribed", ctx))

    async def on_publication(self, ctx):
        _read(ctx.pub)
        self.log.append(("publication", ctx))

    async def on_join(self, ctx):
        self.log.append(("join", ctx))

    async def on_leave(self, ctx):
        self.log.append(("leave", ctx))

    async def on_error(self, ctx):
        self.log.append(("error", ctx))


_clients = []


def client(person, url=None, **options):
    """A client of that person, not connected yet; `.events.log` holds its events."""

    async def get_token():
        return await token(person)

    options.setdefault("get_token", get_token)
    made = (JsonClient if PROTOBUF else Client)(
        url or FIXTURE["ws"],
        events=_ClientLog(),
        timeout=15.0,
        min_reconnect_delay=0.05,
        max_reconnect_delay=0.3,
        proxy=None,
        use_protobuf=PROTOBUF,
        **options,
    )
    _clients.append(made)
    return made


async def connected(person, **options):
    made = client(person, **options)
    await made.connect()
    await within("connect", made.ready(15))
    return made


def subscription(on, channel, **options):
    """A subscription (not started yet) and its log."""
    log = SubscriptionLog()
    options = {"min_resubscribe_delay": 0.05, "max_resubscribe_delay": 0.3, **options}
    return on.new_subscription(channel, events=log, **options), log


async def subscribed(on, channel, **options):
    sub, log = subscription(on, channel, **options)
    await sub.subscribe()
    await within(f"subscribe {channel}", sub.ready(15))
    return sub, log


def numbered(name, first, last):
    return [f"{name}-{n}" for n in range(first, last + 1)]


def run(scenario):
    """Runs the scenario and ends the process with what became of it."""

    async def main():
        try:
            await scenario()
        except BaseException:
            traceback.print_exc()
            for each in _clients:
                print(each.state, each.events.log[-20:], file=sys.stderr)
            sys.stderr.flush()
            return 1
        for each in _clients:
            await each.disconnect()
        return 0

    sys.exit(asyncio.run(main()))
