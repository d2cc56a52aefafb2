"""Chapter 08."""

from ..attempts import EMPTY, Wrong

COMMAND = "# panel serve 08_probe.py "
LIMITS = "from sessionlab.harden import SessionLimits\n\n"

STUBS = {
    "08-probe": ("Each question makes a session", "asked 10 times: 10 sessions"),
    "08-night": ("Who was away for nine minutes does not find her note", "the page says ''; flags: --session-token-"),
    "08-cap": ("More than 10 sessions wait", "15 users have left and 15 sessions wait"),
}

LONG = "# panel serve 08_night.py --unused-session-lifetime 600000 --session-token-expiration 86400"
BOTH = "from sessionlab.harden import SessionLimits, on_session_destroyed\n\n"
TWENTY = BOTH + "SessionLimits(live=20).install()\n"

WRONG = {
    "08-probe": [
        Wrong("without the flag", (COMMAND, 'PROBE = "/liveness"'), "/liveness does not answer 200", "it answers 404"),
        Wrong(
            "with the endpoint",
            (COMMAND + "--liveness", 'PROBE = "/liveness?endpoint=/08_probe"'),
            "Each question runs the app",
            "asked 10 times: 10 runs",
        ),
        Wrong(
            "a file of Bokeh's",
            (COMMAND, 'PROBE = "/static/js/bokeh.min.js"'),
            "it is a large file",
        ),
        Wrong(
            "an empty app",
            '# panel serve 08_probe.py --liveness\nimport panel as pn\n\nPROBE = "/liveness"\n',
            "The app itself shows nothing any more",
        ),
    ],
    "08-night": [
        EMPTY,
        Wrong(
            "a lifetime alone", (LONG, "", "pn.state.on_session_destroyed(file)"), "More than 20 sessions are let in"
        ),
        Wrong(
            "a cap on those who wait",
            (LONG, BOTH + "SessionLimits(retained=20).install()", "on_session_destroyed(file)"),
            "More than 20 sessions are let in",
            "26 came to two; 0 were refused",
        ),
        Wrong(
            "a stock hook",
            (LONG, TWENTY, "pn.state.on_session_destroyed(file)"),
            "of a session that has ended is not filed",
            "filed: nothing",
        ),
        Wrong(
            "a stock hook that is handed what it needs",
            (
                LONG,
                TWENTY,
                "pn.state.on_session_destroyed(lambda context, file=file, note=note, os=os: "
                "open(os.environ['NOTES'], 'a').write(note.value + chr(10)))",
            ),
            "that was open when the server ended is not filed once",
            "of ben",
        ),
        Wrong(
            "with every change",
            (LONG, TWENTY, "note.param.watch(lambda event: file(None), 'value')\non_session_destroyed(file)"),
            "is not filed once",
        ),
    ],
    "08-cap": [
        EMPTY,
        Wrong("a cap on everybody", (LIMITS + "SessionLimits(live=10).install()",), "Visitors are sent away"),
        Wrong(
            "a short lifetime",
            ("",),
            "has lost everything after half an hour",
            "Count was 1 and is 0",
            flags="--unused-session-lifetime 60000",
        ),
        Wrong("none may wait", (LIMITS + "SessionLimits(retained=0).install()",), "has lost everything"),
    ],
}
