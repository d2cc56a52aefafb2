"""What is known of some holders: whose fault it is when something stays there, and what to do about it."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sessionlab.agent.where import shown
from sessionlab.leaks.decision import Holder


@dataclass(frozen=True)
class Known:
    """``pattern`` is looked for in a holder's name; ``owner`` corrects whom it belongs to, where it is not None."""

    pattern: str
    advice: str
    owner: str | None = None
    example: str = ""  # looked for in what is kept, or in its chain
    marker: str = ""  # looked for in the application's source, where no line was seen to do it

    def fits(self, holder: Holder) -> bool:
        kept = " ".join((holder.example, *holder.chain))
        return bool(re.search(self.pattern, holder.holder) and re.search(self.example, kept))


CLASS_IN_SCRIPT = (
    "a class that is defined in the script is another one at every visit, and caches keep each: define it in an "
    "imported module."
)
KNOWN = (
    Known(
        r"state\._views",
        "notifications=True without a template keeps one Document a session: use a template, or leave it out, "
        "or call sessionlab.harden.reconnect().",
        "panel",
        example="Notification",
        marker=r"notifications\s*=\s*True|disconnect_notification\s*=",
    ),
    Known(
        r"state\._views",
        "it was rendered twice for one page, or outside of one, and Panel forgets one rendering only: a function that "
        "is served returns what it shows, without .servable(); what is rendered by hand is given to servable().",
        "panel",
    ),
    Known(
        r"state\.param\.watchers\['busy'\]",
        "panel_material_ui.Page never stops watching pn.state.busy. Until that is mended, let it watch itself: "
        "`with panel.util.parameters.edit_readonly(page): page.busy = page.param.loading`.",
        example=r"panel_material_ui Page",
    ),
    Known(
        r"state\.param\.watchers",
        "pn.state is shared by all sessions: unwatch in pn.state.on_session_destroyed, or do not bind to it.",
        "panel",
    ),
    Known(
        r"state\._(browsers|stylesheets)",
        "under `bokeh serve` Panel does not take an ended session out of its registries: use `panel serve`.",
        "panel",
    ),
    Known(
        r"links\.Callback\.registry",
        "Panel never lets go of an editable slider, which HoloViews' ranges of numbers are too: give plain ones, as in "
        "pn.panel(plot, widgets={…}). Nor of a jscallback whose args lead back to its own source.",
        "panel",
    ),
    Known(
        r"state\._indicators",
        "pn.state.sync_busy() keeps the indicator for ever: use a template's own busy indicator.",
        "panel",
        marker=r"sync_busy\(",
    ),
    Known(
        r"param\.watchers|\.watchers",
        "a session watches an object that outlives it: keep what .watch() returns and unwatch() it in "
        "pn.state.on_session_destroyed.",
    ),
    Known(
        r"state\.param\['session_info'\]",
        "--session-history -1 and --admin keep a record of every session: give --session-history a number.",
        "panel",
    ),
    Known(
        r"state\.param\['cache'\]",
        "pn.state.cache is shared and has no bound: delete the session's key in pn.state.on_session_destroyed, "
        "or keep per-session data in the session.",
        "app",
    ),
    Known(r"panel\.cache .*per_session", "per_session=True leaves an entry per session: cache in a closure.", "panel"),
    Known(r"panel\.cache", "give the cache a bound: @pn.cache(max_items=…), or do not cache per-session arguments."),
    Known(
        r"lru_cache (panel|bokeh|param)\.",
        "a pane of parameters makes a widget class for every list, dict and tuple among them, and Panel keeps each: "
        "give it the widget, as in pn.Param(settings, widgets={'tags': pn.widgets.LiteralInput}).",
        "panel",
        example=r"class panel (List|Dict|Tuple|Number)Input",
    ),
    Known(r"lru_cache (panel|bokeh|param|holoviews)\.", CLASS_IN_SCRIPT, "app", example=r"class "),
    Known(r"lru_cache bokeh\.core\.has_props\.HasProps\.", CLASS_IN_SCRIPT, "app"),  # one entry a class
    Known(
        r"lru_cache .* entry",
        "what a cached function returns is one object for all sessions: take the session's part out of it in "
        "pn.state.on_session_destroyed.",
    ),
    Known(r"lru_cache", "give lru_cache a maxsize, and never put it on a method: the cache keeps every self."),
    Known(
        r"state\._scheduled|state\._on_session|state\._rest_endpoints",
        "this registry is the whole server's: register once, outside the session, or take it back when the session "
        "ends.",
        "app",
    ),
    Known(
        r"loggerDict",
        "a logger stays for ever under its name: use one logger for all sessions, and write the session into the "
        "message.",
        "app",
    ),
    Known(
        r"Logger|logging", "a session adds a handler or filter: add it once, or remove it when the session ends.", "app"
    ),
    Known(
        r"pyplot|_pylab_helpers|Gcf",
        "pyplot keeps every figure: plt.close(fig), or make it with matplotlib.figure.Figure.",
        "app",
    ),
    Known(r"^\w*Timer\(", "a timer that starts itself again: cancel it in pn.state.on_session_destroyed."),
    Known(
        r"^\w*Thread\(worker of a ThreadPoolExecutor",
        "every session makes a pool: share one in an imported module, or shutdown() it in "
        "pn.state.on_session_destroyed.",
    ),
    Known(
        r"^\w*Thread|^Thread\(",
        "the thread outlives its session: let it end by an Event set in pn.state.on_session_destroyed.",
    ),
    Known(
        r"event loop: task", "the task outlives its session: keep it and cancel() it in pn.state.on_session_destroyed."
    ),
    Known(
        r"PeriodicCallback|event loop",
        "the timer outlives its session: stop it when the session ends, or use pn.state.add_periodic_callback.",
    ),
    Known(
        r"streams.*registry|Stream\.registry",
        "a HoloViews stream and its source keep each other: clear its subscribers when the session ends.",
        "holoviews",
    ),
    Known(
        r"[Ss]ubscribers",
        "a subscriber of a shared object stays: unsubscribe when the session ends.",
    ),
    Known(r"holoviews.*(_custom_options|custom_options)", "options of every plot are kept in the Store.", "holoviews"),
    Known(
        r"weakref\.finalize\._registry",
        "weakref.finalize keeps its function and arguments until the object has died: none of them may lead back to "
        "the object, so no method of its own.",
        "app",
    ),
    Known(r"subprocess\._active", "every session starts a process that goes on: end it with the session.", "app"),
    Known(r"^sys\.path", "the script lengthens sys.path at every visit: look whether the entry is there first.", "app"),
    Known(r"^sys\.modules", "a module is made for every session: import it once.", "app"),
    Known(r"atexit", "atexit keeps what a session gives it until the server ends: register once.", "app"),
    Known(
        r"model_class_reverse_map|_known_models|_default_resolver",
        "a model class defined in the script is registered at every visit: define it in an imported module.",
        "app",
    ),
    Known(
        r"",
        "what they led to has gone, the references stay: keep them in a weakref.WeakSet, or give each a callback that "
        "takes it out.",
        example=r"dead weak reference",
    ),
)


# They grow because something else does, which is named as well.
CONSEQUENCES = re.compile(
    r"\.loggerMap$|^threading\._(shutdown_locks|dangling)|^concurrent\.futures\.thread\._threads|maxsize=\w+\."
    r"|\._abc_impl\b"
)


# the same within a session that stays open; the first pattern that fits a holder's name
WHILE_OPEN = (
    (
        r"^on the page",
        "the page grows with every {unit}: replace what it shows, or bound it, as stream(…, rollover=1000) does.",
    ),
    (
        r"watchers|[Ss]ubscribers|_callbacks|handlers",
        "every {unit} registers one more callback: register once, outside of it, or unwatch() the one before.",
    ),
    (r"Thread|Timer", "every {unit} starts one more: keep it, and let it end before the next."),
    (r"event loop|^task|Periodic", "every {unit} starts one more: keep it, and cancel() or stop() it."),
    (r"cache", "give the cache a bound: @pn.cache(max_items=…), lru_cache(maxsize=…)."),
)


LAB = re.compile(r"\bsessionlab\.agent\b")  # what the lab holds in the served process
FIELDS = {field.name for field in dataclasses.fields(Holder)}


def holders_in(rows: Sequence[dict]) -> list[Holder]:
    """The holders among the rows of an answer: not the lab's, nor what follows from others; each with its owner."""
    holders = [Holder(**{name: value for name, value in row.items() if name in FIELDS}) for row in rows]
    return [
        dataclasses.replace(holder, owner=owner_of(holder))
        for holder in holders
        if not LAB.search(holder.holder) and not CONSEQUENCES.search(holder.holder)
    ]


def known(holder: Holder) -> Known | None:
    return next((each for each in KNOWN if each.fits(holder)), None)


def advice_for(holder: Holder) -> str:
    found = known(holder)
    if found:
        return found.advice
    if holder.owner == "app":
        return "remove the session's entry in pn.state.on_session_destroyed, or give the container a bound."
    return ""


def advice_while_open(holder: str, unit: str) -> str:
    """What to do about a holder that gains something with every ``unit``, event or minute, of an open session."""
    for pattern, advice in WHILE_OPEN:
        if re.search(pattern, holder):
            return advice.format(unit=unit)
    return f"something is kept with every {unit}: give it a bound, such as collections.deque(maxlen=…)."


def marked_line(holder: Holder, files: Sequence[str]) -> str:
    """The first line of the application that has the mark of a known pattern, as ``app.py:3``; else empty."""
    found = known(holder)
    if found is None or not found.marker:
        return ""
    for file in files:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            for number, line in enumerate(code_only(Path(file).read_text("utf-8")), 1):
                if re.search(found.marker, line):
                    return f"{shown(file)}:{number}"
    return ""


def code_only(text: str) -> list[str]:
    """The lines of a source without its strings and comments."""
    lines = text.splitlines()
    with contextlib.suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                (first, begin), (last, end) = token.start, token.end
                for number in range(first, last + 1):
                    line = lines[number - 1]
                    a, b = begin if number == first else 0, end if number == last else len(line)
                    lines[number - 1] = line[:a] + " " * (b - a) + line[b:]
    return lines


def owner_of(holder: Holder) -> str:
    found = known(holder)
    return (found and found.owner) or holder.owner
