"""What the cases share. An imported module is imported once and lives as long as the server."""

import asyncio
import functools
import threading

import param


class Orders(param.Parameterized):
    """What is ordered at the moment, by anybody."""

    number = param.Integer(0)


ORDERS = Orders()


class Report:
    """The report of one visitor."""

    def __init__(self, visitor):
        self.visitor = visitor

    @functools.cache  # noqa: B019 - the leak that is shown
    def rows(self):
        return [self.visitor] * 100


@functools.lru_cache(maxsize=2)
def rows_of(visitor):
    return [visitor] * 100


class Refresher(threading.Thread):
    """Looks for something new once in a while, until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.start()

    def run(self):
        while not self.stopped.wait(1):
            pass


async def refresh():
    """The same as a task."""
    while True:  # noqa: ASYNC110 - the task that is shown
        await asyncio.sleep(1)


JOBS = {}  # name -> event that is set when the job is done
