"""A leak detector. The check calls `leaks` for six apps: two leak, two are tidy, two fill a cache of ten and stop.

Its own numbers are in `probe.census(settle=True)`: sessions, documents, app_objects, rss, …
"""

from sessionlab import visit


async def visits(url, probe, number):
    for _ in range(number):
        async with visit(url):
            pass
    while probe.sessions():  # a server notices a moment later that a visitor has left
        probe.discard_unused()


async def leaks(url, probe):
    """Whether the app at `url` leaks; `probe` is that of its server."""
    # >>> solution
    await visits(url, probe, 12)  # warm up: imports are done and caches are full
    before = probe.census(settle=True)
    await visits(url, probe, 5)
    after = probe.census(settle=True)
    return sum(after.app_objects.values()) - sum(before.app_objects.values()) >= 5
    # >>> stub
    # before = probe.census(settle=True)  # your turn: it finds the leak, and more than that
    # await visits(url, probe, 5)
    # after = probe.census(settle=True)
    # return sum(after.app_objects.values()) > sum(before.app_objects.values())
    # <<<
