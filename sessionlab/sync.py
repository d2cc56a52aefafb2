"""A coroutine run to its end from code that is not async, in a notebook too, where an event loop runs already."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any


def run(coroutine: Coroutine) -> Any:
    """What ``coroutine`` returns or raises; it runs in a thread of its own where this one has an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    result: Future = Future()

    def work() -> None:
        try:
            result.set_result(asyncio.run(coroutine))
        except BaseException as error:
            result.set_exception(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name="sessionlab run", daemon=True)
    thread.start()
    thread.join()
    return result.result()
