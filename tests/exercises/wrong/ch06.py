"""Chapter 06."""

from ..attempts import Wrong

COUNT = (
    "    before = probe.census(settle=True)\n    await visits(url, probe, 15)\n    after = probe.census(settle=True)\n"
)
COUNTERS = "    return after.bokeh_counters['Documents'] - before.bokeh_counters['Documents'] >= 15"

STUBS = {
    "06-holder": (r"'\?' is not the name of the container that leaks", r"8 sessions came and went; '\?' grew by 0"),
    "06-desk": ("Every session leaves something behind", "says leak: "),
    "06-detector": (
        "wrong about the cache of ten",
        "the app that leaks: leak; the tidy one: no leak; the cache of ten: leak",
    ),
}

IMPORTS = "import logging\nfrom collections import deque\n\nimport panel as pn\nimport param\n"
HOOK = "\nfrom sessionlab.harden import on_session_destroyed\n"
LIST = 'reports = pn.state.as_cached("reports", list)'
RING = 'reports = pn.state.as_cached("reports", lambda: deque(maxlen=5))'
WATCH = (
    "watcher = station.param.watch("
    'lambda event, shown=temperature: shown.param.update(value=event.new), "temperature")\n'
)
HANDLE = "handler = Lines(line)\nlog.addHandler(handler)\n"
LEAVE = "on_session_destroyed(lambda context: station.param.unwatch(watcher))\n"
REMOVE = "on_session_destroyed(lambda context: log.removeHandler(handler))\n"
STAYS = "Every session leaves something behind"

WRONG = {
    "06-holder": [
        Wrong("a bounded one", ("HOLDER = 'recent'",), "'recent' is not the name"),
        Wrong("one that holds weakly", ("HOLDER = 'present'",), "'present' is not the name", "'present' grew by 0"),
        Wrong("no name", ("HOLDER = min('visited')",), "The file gives no value to HOLDER"),
        Wrong(
            "mends it",
            ("HOLDER = 'visited'\npn.state.on_session_destroyed = lambda hook: None",),
            "to be named, not mended",
        ),
    ],
    "06-desk": [
        Wrong("a ring alone", (IMPORTS, RING, WATCH + HANDLE), STAYS, "says leak: "),
        Wrong("all but the log", (IMPORTS + HOOK, RING, WATCH + HANDLE + LEAVE), STAYS, "handlers"),
        Wrong("all but the list", (IMPORTS + HOOK, LIST, WATCH + HANDLE + LEAVE + REMOVE), STAYS, "cache"),
        Wrong("no watcher", (IMPORTS + HOOK, RING, HANDLE + REMOVE), "does not show the temperature that another"),
        Wrong("no handler", (IMPORTS + HOOK, RING, WATCH + LEAVE), "does not show what another has written"),
    ],
    "06-detector": [
        Wrong("Bokeh's counters", (COUNT + COUNTERS,), "wrong about the app that leaks"),
        Wrong(
            "now this, now that",
            ("    probe.answer = not getattr(probe, 'answer', False)\n    return probe.answer",),
            "wrong about",
            "no leak and leak",
        ),
        Wrong("everything leaks", ("    return True",), "wrong about the tidy one"),
        Wrong("nothing leaks", ("    return False",), "wrong about the app that leaks"),
        Wrong("an error", ("    return probe.census().leaks",), "raises an error", "AttributeError"),
    ],
}
