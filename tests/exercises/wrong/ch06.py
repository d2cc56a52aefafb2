"""Chapter 06."""

from ..attempts import Wrong

COUNT = (
    "    before = probe.census(settle=True)\n    await visits(url, probe, 15)\n    after = probe.census(settle=True)\n"
)
COUNTERS = "    return after.bokeh_counters['Documents'] - before.bokeh_counters['Documents'] >= 15"

STUBS = {
    "06-holder": (r"'\?' is not the name of the container that leaks", r"8 sessions came and went; '\?' grew by 0"),
    "06-detector": (
        "wrong about the cache of ten",
        "the app that leaks: leak; the tidy one: no leak; the cache of ten: leak",
    ),
}

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
