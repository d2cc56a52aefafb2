"""What all sessions of the apps of chapter 06 share: an imported module lives as long as the server."""

import functools

import param


class Feed(param.Parameterized):
    """The price that everybody follows."""

    price = param.Number(100.0)


FEED = Feed()


class History:
    """The prices of the past, 1.6 MB of them."""

    def __init__(self):
        self.rows = [float(number) for number in range(50_000)]


@functools.lru_cache(maxsize=10)
def history_of(visitor):
    return History()
