"""Prints src/realtime/protocol/protobuf/golden.json: messages of the protocol in both forms. The Protobuf one
is made by Google's encoder from the description that centrifuge-python brings, so that our own is held
against bytes it had no part in.

    .gigsy/test/venv/bin/python src/tests/sdk/py/golden.py > src/realtime/protocol/protobuf/golden.json
"""

import base64
import json

from centrifuge.protocol import client_pb2
from google.protobuf.json_format import ParseDict

USER = "00000000-0000-0000-0000-000000000001"
CLIENT = "00000000-0000-0000-0000-000000000002"
INFO = {"user": USER, "client": CLIENT, "conn_info": {"display_name": "Ünal"}}
LAST = 2**64 - 1

COMMANDS = [
    {"id": 1, "connect": {"token": "t", "name": "js", "version": "5.8.0", "data": {"x": 1},
                          "headers": {"a": "b"},
                          "subs": {"user:1": {"recover": True, "offset": 4, "epoch": "e"}}}},
    {"id": 2, "subscribe": {"channel": "chat:1", "token": "s", "recover": True, "offset": LAST, "epoch": "x",
                            "positioned": True, "recoverable": True, "join_leave": True, "flag": 3,
                            "delta": "fossil", "data": [1]}},
    {"id": 3, "subscribe": {"channel": "chat:1", "flag": -1}},
    {"id": 4, "unsubscribe": {"channel": "chat:1"}},
    {"id": 5, "publish": {"channel": "chat:1", "data": {"body": "two\nlines, ünïcödé 👩🏽‍💻", "n": 1.5}}},
    {"id": 6, "presence": {"channel": "chat:1"}},
    {"id": 7, "presence_stats": {"channel": "chat:1"}},
    {"id": 8, "history": {"channel": "chat:1", "limit": -1, "since": {"offset": 300, "epoch": "e"},
                          "reverse": True}},
    {"id": 9, "history": {"channel": "chat:1"}},
    {"id": 10, "ping": {}},
    {"send": {"data": "said"}},
    {"id": 11, "rpc": {"method": "chat.send", "data": {"room": "1", "tags": []}}},
    {"id": 12, "rpc": {"method": "now"}},
    {"id": 2**32 - 1, "refresh": {"token": "another"}},
    {"id": 13, "sub_refresh": {"channel": "chat:1", "token": "t"}},
    {},
]

REPLIES = {
    "connect": {"id": 1, "connect": {
        "client": CLIENT, "version": "gigsy 1", "expires": True, "ttl": 600,
        "subs": {"user:1": {"recoverable": True, "positioned": True, "epoch": "e", "offset": 7,
                            "publications": [{"data": {"a": 1}, "offset": 7}],
                            "recovered": True, "was_recovering": True}},
        "ping": 25, "pong": True, "session": "s", "node": "n"}},
    "subscribe": {"id": 2, "subscribe": {"epoch": "x", "offset": LAST, "data": {"top": []}}},
    "nothing to say of a subscription": {"id": 300, "subscribe": {}},
    "unsubscribe": {"id": 3, "unsubscribe": {}},
    "publish": {"id": 4, "publish": {}},
    "ping": {"id": 5, "ping": {}},
    "presence": {"id": 6, "presence": {"presence": {CLIENT: INFO}}},
    "presence_stats": {"id": 7, "presence_stats": {"num_clients": 3, "num_users": 2}},
    "history": {"id": 8, "history": {"publications": [{"data": None, "offset": 1}, {"data": "x", "offset": 2}],
                                     "epoch": "e", "offset": 2}},
    "rpc": {"id": 9, "rpc": {"data": {"seq": 1}}},
    "refresh": {"id": 10, "refresh": {"client": CLIENT, "version": "gigsy 1", "expires": True, "ttl": 3}},
    "error": {"id": 11, "error": {"code": 111, "message": "too many requests", "temporary": True}},
    "publication": {"push": {"channel": "chat:1", "pub": {
        "data": {"body": "ünïcödé"}, "info": {**INFO, "chan_info": ["owner"]}, "offset": 2**53 + 1,
        "tags": {"kind": "a"}, "time": 1700000000000}}},
    "ephemeral": {"push": {"channel": "typing:1", "pub": {"data": {}}}},
    "join": {"push": {"channel": "chat:1", "join": {"info": INFO}}},
    "leave": {"push": {"channel": "chat:1", "leave": {"info": INFO}}},
    "taken away": {"push": {"channel": "chat:1", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}},
}


def as_bytes(value):
    """What is `bytes` in the description, as the library's JSON form has bytes."""
    if isinstance(value, list):
        return [as_bytes(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: base64.b64encode(compact(each).encode()).decode()
            if name in ("data", "conn_info", "chan_info") else as_bytes(each)
            for name, each in value.items()}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def both(kind, value):
    message = ParseDict(as_bytes(value), kind()).SerializeToString(deterministic=True)
    length, prefix = len(message), b""
    while length > 127:
        prefix += bytes([length & 127 | 128])
        length >>= 7
    return {"json": value, "protobuf": (prefix + bytes([length]) + message).hex()}


golden = {
    "commands": [both(client_pb2.Command, command) for command in COMMANDS],
    "replies": {name: both(client_pb2.Reply, reply) for name, reply in REPLIES.items()},
}
print(json.dumps(golden, ensure_ascii=False, indent=1))
