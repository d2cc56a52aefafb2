"""The catalogue of the checks: what each is called, why it matters, and which chapter explains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from sessionlab.checks.result import Check
from sessionlab.errors import InvalidOption

RECONNECT = "notebooks/02_reconnect.ipynb"
LIFETIMES = "notebooks/03_lifetimes.ipynb"
ANATOMY = "notebooks/01_anatomy.ipynb"
BLOCK = "notebooks/04_block_expiration.ipynb"
HOOKS = "notebooks/05_cleanup_hooks.ipynb"
HUNTING = "notebooks/06_leak_hunting.ipynb"
CASEBOOK = "notebooks/07_leak_casebook.ipynb"
PRODUCTION = "notebooks/08_production.ipynb"
STATE = "notebooks/09_state.ipynb"


@dataclass(frozen=True)
class Finding:
    """What a check came to: a ``status``, what was ``measured``, and ``advice`` where there is something to do."""

    status: str
    measured: str
    advice: str = ""


@dataclass(frozen=True)
class Rule:
    """A check as the catalogue knows it."""

    id: str
    title: str
    why: str
    chapter: str

    def check(self, finding: Finding) -> Check:
        return Check(
            self.id, finding.status, self.title, finding.measured, self.why, finding.advice, self.chapter
        )  # fmt: skip


RULES = {
    rule.id: rule
    for rule in [
        Rule(
            "app.errors",
            "No callback raises",
            "An exception in a callback reaches only the server's log: its user sees a page that does nothing.",
            ANATOMY,
        ),
        Rule(
            "reconnect.on",
            "The page reconnects",
            "A wire that blinks for a second ends the websocket. A page that does not try again is dead until it is "
            "loaded anew, and everything in its session is lost.",
            RECONNECT,
        ),
        Rule(
            "reconnect.outages",
            "What survives an outage",
            "A session that is found again keeps everything. One that was discarded meanwhile is silently replaced by "
            "a fresh one under the same id.",
            RECONNECT,
        ),
        Rule(
            "reconnect.told",
            "A lost session is told",
            "Panel says “re-established” when the session is a new one too: the user goes on with a page that has "
            "forgotten everything.",
            RECONNECT,
        ),
        Rule(
            "reconnect.token",
            "Old pages may reconnect",
            "The page reconnects with the token that it was loaded with. The server refuses an expired one, even when "
            "the session is alive: after that, every attempt fails, by hand too.",
            RECONNECT,
        ),
        Rule(
            "reconnect.arrays",
            "Arrays survive a reconnect",
            "Bokeh 3.9 cannot read array data again when a page reconnects: the page looks alive and is not.",
            RECONNECT,
        ),
        Rule(
            "state.survives",
            "What is entered outlives the process",
            "A deployment ends the process, and with it every session. What users had entered is gone, unless it is "
            "kept somewhere else.",
            STATE,
        ),
        Rule(
            "lifetime.backoff",
            "Sessions outlive the attempts",
            "Pages try again 0, 2, 6, 14 and 30 s after the cut. A session that is gone by then cannot be resumed.",
            LIFETIMES,
        ),
        Rule(
            "lifetime.load",
            "Sessions outlive the loading",
            "The lifetime of a session begins before its websocket arrives. When it is over by then, the script runs "
            "a second time for the same visit.",
            LIFETIMES,
        ),
        Rule(
            "block.scope",
            "Blocks touch their own session",
            "pn.state.block_expiration() counts up every session of the app, and down those that exist at its end: "
            "with two users it raises, takes protection away from others, and leaves sessions that never expire.",
            BLOCK,
        ),
        Rule(
            "hooks.run",
            "Destroy hooks run",
            "The script's module is emptied before its hooks run, async hooks are never awaited, and failures are "
            "warnings in a log: what a hook should release stays.",
            HOOKS,
        ),
        Rule(
            "hooks.late",
            "Destroy hooks run in time",
            "A hook runs when the session is discarded, not when its user leaves; and while it works, the server "
            "answers nobody.",
            HOOKS,
        ),
        Rule(
            "hooks.sigterm",
            "Destroy hooks run on SIGTERM",
            "Every deployment ends the server with SIGTERM. Stock Panel and Bokeh run no session's hooks then.",
            HOOKS,
        ),
        Rule(
            "leak.verdict",
            "Nothing of a session stays",
            "What every session leaves behind adds up until the process is killed, and with it every session.",
            HUNTING,
        ),
        Rule(
            "leak.notifications",
            "Notifications let go of documents",
            "notifications=True without a template keeps the Document of every session for good (Panel 1.9).",
            CASEBOOK,
        ),
        Rule(
            "leak.caches",
            "Caches have a bound",
            "A cache without a bound grows with every new argument, for as long as the process lives.",
            CASEBOOK,
        ),
        Rule(
            "memory.session",
            "Sessions fit into the memory",
            "A memory limit is enforced by SIGKILL: no hook runs, and every session of the process is lost.",
            PRODUCTION,
        ),
        Rule(
            "sessions.shared",
            "Sessions share no widgets",
            "An object that two sessions show is one object: what one user enters, another sees.",
            ANATOMY,
        ),
        Rule(
            "sessions.bots",
            "What a bot costs",
            "The GET of a page builds a session, before any websocket: crawlers, link previews and health checks on "
            "the page run the script and leave a session each.",
            ANATOMY,
        ),
        Rule(
            "network.origin",
            "Foreign pages are kept out",
            "A websocket that is open to every origin lets any website act in the app as the visitor who looks at it.",
            PRODUCTION,
        ),
        Rule(
            "network.address",
            "The port is where it belongs",
            "A server that listens on every interface can be reached past the proxy, with its login and its limits.",
            PRODUCTION,
        ),
        Rule(
            "network.keep_alive",
            "Idle wires stay open",
            "Proxies close a connection on which nothing passes, many after 60 s. A ping must come well before that.",
            PRODUCTION,
        ),
        Rule(
            "network.admin",
            "Internals are not public",
            "The admin page and /rest/session_info have no login of their own; the second publishes session ids.",
            PRODUCTION,
        ),
        Rule(
            "server.liveness",
            "A probe does not run the app",
            "A health check needs a page that costs nothing. ?endpoint=/app of Panel's liveness page runs the whole "
            "app each time.",
            PRODUCTION,
        ),
        Rule(
            "server.processes",
            "A visitor stays in one process",
            "--num-procs has no affinity: page and websocket reach different processes, the script runs twice, and a "
            "reconnect finds its state by chance.",
            PRODUCTION,
        ),
        Rule(
            "server.metrics",
            "Someone is watching",
            "Memory, live sessions and failed hooks are the first signs of trouble. Without a page that tells them, "
            "the first sign is a killed process.",
            PRODUCTION,
        ),
        Rule(
            "options.known",
            "No option is misspelt",
            "Options that Panel and Bokeh do not know are swallowed without a word, and the default stays.",
            LIFETIMES,
        ),
    ]
}


def chosen(only: Iterable[str], skip: Iterable[str]) -> tuple[str, ...]:
    """The ids of the checks that ``only`` and ``skip`` leave; each names a check or a group (``"reconnect"``).

    Raises InvalidOption for a name that there is not, or when nothing is left.
    """
    wanted = _named(only) or set(RULES)
    left = tuple(name for name in RULES if name in wanted - _named(skip))
    if not left:
        raise InvalidOption("No check is left.", advice="ask for more with only, or skip less.")
    return left


def _named(names: Iterable[str]) -> set[str]:
    found = set()
    for name in names:
        fitting = {rule for rule in RULES if name in (rule, rule.partition(".")[0])}
        if not fitting:
            near = get_close_matches(name, [*RULES, *{rule.partition(".")[0] for rule in RULES}], n=1)
            raise InvalidOption(
                f"There is no check {name!r}.",
                advice=(f"did you mean {near[0]!r}? " if near else "") + f"The checks are {', '.join(RULES)}.",
            )
        found |= fitting
    return found
