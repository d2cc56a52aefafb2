"""Chapter 08."""

from ..attempts import EMPTY, Wrong

COMMAND = "# panel serve 08_probe.py "
LIMITS = "from sessionlab.harden import SessionLimits\n\n"

STUBS = {
    "08-probe": ("Each question makes a session", "asked 10 times: 10 sessions"),
    "08-cap": ("More than 10 sessions wait", "15 users have left and 15 sessions wait"),
}

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
