"""A real mail server (aiosmtpd) for tests: keeps what it takes as files, and misbehaves on request.

Arguments: a directory, and with TLS a certificate and its key. Prints its port. Before each step it reads
`mode` in the directory: accept, fail (451), refuse (550 to the recipient), stall (no answer to DATA),
deaf (takes the mail and never says so).
"""

import asyncio
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP

folder = pathlib.Path(sys.argv[1])
taken = folder / "taken"
taken.mkdir(exist_ok=True)


def mode():
    try:
        return (folder / "mode").read_text().strip()
    except FileNotFoundError:
        return "accept"


class Handler:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if mode() == "refuse":
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        how = mode()
        if how == "fail":
            return "451 4.3.0 try again later"
        if how == "stall":
            await asyncio.sleep(3600)
        Handler.count += 1
        beside = taken / f".{Handler.count}"
        secured = "yes" if session.ssl else "no"
        head = f"X-Seen-To: {','.join(envelope.rcpt_tos)}\r\nX-Seen-Tls: {secured}\r\n".encode()
        beside.write_bytes(head + envelope.original_content)
        beside.rename(taken / f"{Handler.count:04}.eml")
        if how == "deaf":
            await asyncio.sleep(3600)
        return "250 OK"


async def main():
    options = {}
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
        options = {"tls_context": context, "require_starttls": True}
    loop = asyncio.get_running_loop()
    handler = Handler()
    server = await loop.create_server(
        lambda: SMTP(handler, enable_SMTPUTF8=True, loop=loop, **options), "127.0.0.1", 0
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    # Ends with whoever holds the other end of standard input.
    await asyncio.to_thread(sys.stdin.read)


asyncio.run(main())
