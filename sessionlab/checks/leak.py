"""The leak hunter's verdict, as a check."""

from __future__ import annotations

import asyncio
import threading

from sessionlab import report
from sessionlab.checks.live import Bench
from sessionlab.errors import InvalidOption, SessionLabError
from sessionlab.leaks import HuntResult, hunt

LEAST = 12.0  # seconds that a hunt needs to say anything
STATUS = {"clean": "pass", "bounded": "pass", "undecided": "warn", "leak": "fail", "never-expires": "fail"}


async def run(bench: Bench, seconds: float) -> None:
    """Hunt on a server of its own, for at most ``seconds``."""
    if not bench.wants("leak.verdict"):
        return
    if min(seconds, bench.left) < LEAST:
        bench.skip(["leak.verdict"], f"There was no time for it: a hunt takes at least {LEAST:g} s.")
        return
    ended = threading.Event()

    def progress(phase: str, part: float) -> None:
        if ended.is_set():
            raise InvalidOption("The audit was ended.")
        bench.tell(f"hunting leaks: {phase}")

    try:
        result = await asyncio.to_thread(
            hunt,
            bench.apps,
            max_seconds=min(seconds, bench.left),
            scenario=bench.scenario,
            command=bench.command,
            framework=bench.framework,
            panel_args=bench.flags.served,
            env=dict(bench.env),
            live=False,
            progress=progress,
        )
    except SessionLabError as error:
        bench.skip(["leak.verdict"], error.what)
    else:
        _judge(bench, result)
    finally:
        ended.set()


def _judge(bench: Bench, result: HuntResult) -> None:
    measured = f"{report.HEADLINE[result.verdict]}. {result.sessions} sessions"
    advice = ""
    if result.verdict == "never-expires":
        measured += " were opened."
    else:
        measured += f" each left {report.numbers(result)}."
    if STATUS[result.verdict] == "fail" and result.culprits:
        worst = result.culprits[0]
        measured += f" Held by {worst.holder}" + (f", put there at {worst.location}." if worst.location else ".")
        if len(result.culprits) > 1:
            measured += f" {len(result.culprits) - 1} more: run sessionlab hunt."
        advice = worst.advice
    if STATUS[result.verdict] != "pass":
        advice = advice or "sessionlab hunt APP shows who holds it; more time makes it plainer (--max-seconds)."
    bench.found("leak.verdict", STATUS[result.verdict], measured[:1].upper() + measured[1:], advice)
