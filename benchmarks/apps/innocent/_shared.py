"""What outlives the sessions of the innocent applications, and stays within bounds."""

import asyncio
import collections
import functools
import threading
import time
import weakref

import pandas as pd
import param

RING = [None] * 100
NEXT = 0
HISTORY = collections.deque(maxlen=100)
RECENT = []
BOUNDED = collections.OrderedDict()
LIVE = weakref.WeakSet()
WARM = {}
TALLY = collections.Counter()
LATELY = {}
DIARY = ""
TABLE = pd.DataFrame({"x": range(1000)})


class Hub(param.Parameterized):
    tick = param.Integer(0)


HUB = Hub()


def into_ring(item):
    global NEXT
    RING[NEXT % len(RING)] = item
    NEXT += 1


def write_down(line):
    global DIARY
    DIARY = (DIARY + line)[-20_000:]


def remember(item):
    RECENT.append(item)
    if len(RECENT) > 25:
        RECENT.pop(0)


def put(key, value, most=100):
    BOUNDED[key] = value
    while len(BOUNDED) > most:
        BOUNDED.popitem(last=False)


@functools.lru_cache(maxsize=128)
def lookup(key):
    return [key] * 50


def settle_down(key):
    """Grows for the first forty sessions, then it has seen everything."""
    WARM.setdefault(hash(key) % 40 if len(WARM) >= 40 else len(WARM), [0] * 100)


def soon_over():
    threading.Event().wait(0.4)


async def soon_done():
    await asyncio.sleep(0.3)


def late():
    if time.monotonic() - START > 3:
        import xml.dom.minidom  # noqa: F401


START = time.monotonic()


def lately(key, value, seconds=600):
    """Keep for ten minutes."""
    now = time.monotonic()
    for old in [name for name, (when, _) in LATELY.items() if now - when > seconds]:
        del LATELY[old]
    LATELY[key] = now, value
