"""psleak: a function is called again and again, ever more often, and memory and resources must not grow.

Here it runs in a thread of the served process, and its function is one whole visit to that server, after which the
session is discarded. ``PYTHONMALLOC=malloc`` and unbuffered output are what its documentation asks for. 20 calls a
run and 5 runs instead of 200 and 10: a visit takes a tenth of a second, not a microsecond. The check for
uncollectable garbage is left out: every Panel session consists of cycles, and the collector may take them.
"""

from __future__ import annotations

import asyncio
import re
import threading

from psleak import Checkers, Error, MemoryLeakTestCase

from sessionlab.client.scenario import Scenario

RULE = "its own: a leak if its test fails"
ENVIRONMENT = {"PYTHONMALLOC": "malloc", "PYTHONUNBUFFERED": "1"}
VISITS_ITSELF = True
TIMES, RETRIES = 20, 5


class Peer:
    def begin(self) -> None:
        pass

    async def window(self, sessions: int) -> dict:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        said = []

        def work():
            try:
                test = MemoryLeakTestCase()
                test.execute(self.visit, times=TIMES, retries=RETRIES, checkers=Checkers.exclude("gcgarbage"))
            except Error as error:
                said.append(f"{type(error).__name__}: {error}")
            except Exception as error:  # its own assertions, such as a garbage list that is not empty
                said.append(f"{type(error).__name__}: {error}")
            loop.call_soon_threadsafe(ended.set)

        self.loop = loop
        threading.Thread(target=work, name="psleak").start()
        await ended.wait()
        return {"said": said[0] if said else "", "failed": bool(said)}

    def visit(self) -> None:
        context = next(c for url, c in self.tornado._applications.items() if url != "/")
        asyncio.run(Scenario.default().visit(self.origin + context.url, 0.0))
        asyncio.run_coroutine_threadsafe(discard(self.tornado), self.loop).result()


async def discard(tornado) -> None:
    """End every session, as the server does for those that are unused."""
    for context in tornado._applications.values():
        for session in tuple(context.sessions):
            while session.connection_count:  # noqa: ASYNC110 - nobody tells when that has become none
                await asyncio.sleep(0.005)
            session.request_expiration()
            await context._discard_session(session, lambda s: s.connection_count == 0)


def decide(windows: list[dict], blank: list[dict]) -> dict:
    said = windows[-1]["said"]
    heap = [int(grew) / int(calls) for grew, calls in re.findall(r"heap=\+(\d+).*?calls=\s*(\d+)", said)]
    return {
        "verdict": "leak" if windows[-1]["failed"] else "clean",
        "bytes": heap[-1] if heap else None,
        "said": " ".join(said.split()),
    }
