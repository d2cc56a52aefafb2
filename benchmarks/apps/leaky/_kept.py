"""What outlives the sessions of the leaky applications: an imported module is there as long as the server."""

import asyncio
import functools
import threading

import numpy as np
import pandas as pd
import param

BLOBS = []
SEEN = []
REFERENCES = []
NOTES = {}
VISITS = set()
FIRST = None
TABLE = pd.DataFrame({"x": [], "y": []})


class Hub(param.Parameterized):
    tick = param.Integer(0)
    subscribers = []


HUB = Hub()


class Node:
    """One link of a chain that only grows."""

    def __init__(self, before):
        self.before = before


def link():
    global FIRST
    FIRST = Node(FIRST)


def more_rows(number):
    global TABLE
    rows = pd.DataFrame({"x": np.arange(number, dtype=float), "y": np.ones(number)})
    TABLE = pd.concat([TABLE, rows], ignore_index=True)


class Report:
    """A page of a session, with a cache on a method."""

    def __init__(self, session_id):
        self.session_id = session_id

    @functools.lru_cache(maxsize=None)  # noqa: B019 - the leak that is shown
    def rows(self, number):
        return list(range(number))


def watch_forever(stop=None):
    wait = threading.Event()
    while not wait.wait(0.5):
        pass


async def poll_forever():
    while True:
        await asyncio.sleep(0.2)


def nightly():
    """Something to do every hour."""
