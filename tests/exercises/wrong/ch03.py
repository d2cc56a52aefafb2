"""Chapter 03."""

from ..attempts import Wrong

COMMAND = "# panel serve 03_plan.py "

STUBS = {
    "03-options": ("The token in the page is not good for a day", "takes it for 5 minutes"),
    "03-plan": ("The token in the page is not good for a working day", "takes it for 5 minutes"),
}

WRONG = {
    "03-options": [
        Wrong(
            "one is still misspelt",
            (
                "    unused_session_lifetime_ms=60_000,\n    check_unused_sessions_milliseconds=5_000,\n"
                "    session_token_expiration=86_400,",
            ),
            "A session does not wait for 60 s",
            "Count was 3 before an outage of 50 s and is 0 after it",
        ),
        Wrong(
            "milliseconds for the token too",
            (
                "    unused_session_lifetime_milliseconds=60_000,\n    check_unused_sessions_milliseconds=5_000,\n"
                "    session_token_expiration=86_400_000,",
            ),
            "not good for a day",
            "1000 days",
        ),
        Wrong(
            "a lifetime of a day",
            (
                "    unused_session_lifetime_milliseconds=86_400_000,\n    check_unused_sessions_milliseconds=5_000,\n"
                "    session_token_expiration=86_400,",
            ),
            "waits longer than the lifetime of 60 s",
        ),
        Wrong("nothing is served", "import panel as pn\n\npn.extension()\n", "ends before it has shown a page"),
    ],
    "03-plan": [
        Wrong(
            "the usual look",
            (COMMAND + "--unused-session-lifetime 31000 --session-token-expiration 28800",),
            "More sessions wait than the memory holds",
            "one visitor every 3 s: 13 sessions wait",
        ),
        Wrong(
            "no longer than the outage",
            (
                COMMAND + "--unused-session-lifetime 20000 --check-unused-sessions 2000 "
                "--session-token-expiration 28800",
            ),
            "The session does not survive the outage",
            "Count was 3 before it and is 0 after the try at 30 s",
        ),
        Wrong(
            "seconds everywhere",
            (COMMAND + "--unused-session-lifetime 31 --check-unused-sessions 2 --session-token-expiration 28800",),
            "The session does not survive the outage",
        ),
        Wrong(
            "a guide's numbers",
            (
                COMMAND + "--unused-session-lifetime 300000 --check-unused-sessions 60000 "
                "--session-token-expiration 28800",
            ),
            "More sessions wait than the memory holds",
        ),
    ],
}
