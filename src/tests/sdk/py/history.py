"""History pages both ways, and the pages are the stream."""

from centrifuge import StreamPosition

from common import PEOPLE, chat, connected, numbered, run, send, subscribed, within


async def scenario():
    ada = PEOPLE["ada"]
    said = numbered("line", 1, 25)
    for body in said:
        await send(ada, body)
    sub, _ = await subscribed(await connected(ada), chat())
    top = await within("top", sub.history(limit=0))
    assert not top.publications and top.offset >= 25 and top.epoch, top

    for reverse in (False, True):
        pages = []
        since = StreamPosition(top.offset + 1 if reverse else 0, top.epoch)
        while True:
            page = await within("a page", sub.history(limit=10, since=since, reverse=reverse))
            assert len(page.publications) <= 10
            if not page.publications:
                break
            pages += page.publications
            since = StreamPosition(page.publications[-1].offset, top.epoch)
            assert len(pages) <= top.offset, "pages do not repeat"
            if reverse and since.offset <= 1:
                break
        if reverse:
            pages.reverse()
        assert [pub.offset for pub in pages] == list(range(1, top.offset + 1)), "every event once"
        assert [pub.data["body"] for pub in pages if pub.data["type"] == "message"] == said


run(scenario)
