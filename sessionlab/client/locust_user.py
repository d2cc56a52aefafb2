"""The lab's visitor for Locust: when one machine is too small to send the visitors.

A locustfile of your own, ``load.py``:

    from locust import between
    from sessionlab.client.locust_user import SessionUser

    class Reader(SessionUser):
        wait_time = between(1, 5)              # between two visits

        async def use(self, session):          # what a visitor does; may be left out
            await session.click("Run")
            await session.wait_for("Count", value=1)

On one machine, and then on as many as it takes, with the same file:

    locust -f load.py --headless --master --expect-workers 2 --host http://server:5006/app --users 200 --spawn-rate 5
    locust -f load.py --headless --worker --master-host …

Each visit counts as requests of the type ``session``: its ``page``, ``connect`` and ``pull``, and ``use``, so that
Locust's own tables and limits work. Locust is no part of the lab: ``pip install "sessionlab[load]"``.
"""

from __future__ import annotations

import asyncio
import time

import gevent
from gevent.event import AsyncResult
from locust import User, task

from sessionlab.client.protocol import Session, visit
from sessionlab.errors import SessionLabError


class SessionUser(User):
    """A visitor who opens the page at ``host``, does what ``use`` says, and leaves.

    Attributes
    ----------
    stay : seconds that the page stays open after that.
    timeout : seconds that each answer of the server may take.
    visits : how many visits this user makes before it stops; None: until Locust ends.
    """

    abstract = True
    stay = 0.0
    timeout = 30.0
    visits: int | None = None

    async def use(self, session: Session) -> None:
        """What the visitor does on the page."""

    @task
    def once(self) -> None:
        """One visit. What went wrong is a failed request."""
        _wait_for(self._visit())
        if self.visits is not None:
            self.visits -= 1
            if self.visits <= 0:
                self.stop()

    async def _visit(self) -> None:
        session, began = visit(self.host, timeout=self.timeout), time.perf_counter()
        try:
            async with session:
                for part in ("page", "connect", "pull"):
                    self._tell(part, getattr(session.timings, part))
                began = time.perf_counter()
                await self.use(session)
                self._tell("use", time.perf_counter() - began)
                await asyncio.sleep(self.stay)
        except (SessionLabError, OSError) as failure:
            page = getattr(session, "page", None)
            reached = "use" if hasattr(session, "timings") else "connect" if page and page.token else "page"
            self._tell(reached, time.perf_counter() - began, failure)

    def _tell(self, name: str, seconds: float, failure: Exception | None = None) -> None:
        self.environment.events.request.fire(
            request_type="session",
            name=name,
            response_time=1000 * seconds,
            response_length=0,
            exception=failure,
            context=self.context(),
        )


_loop: list[asyncio.AbstractEventLoop] = []


def _wait_for(coroutine) -> None:
    """Run ``coroutine`` on the process's event loop, and let Locust's other users go on meanwhile.

    Locust has replaced what would block by what yields to other greenlets, the selector of the loop included. So the
    loop lives in a greenlet beside those of the users.
    """
    if not _loop:
        _loop.append(asyncio.new_event_loop())
        gevent.spawn(_loop[0].run_forever)
    done = AsyncResult()
    task = asyncio.run_coroutine_threadsafe(coroutine, _loop[0])
    task.add_done_callback(done.set)
    done.get().result()
