"""Chapter 02."""

from ..attempts import EMPTY, Wrong

COMMAND = "# panel serve 02_blip.py "
RECONNECT = "pn.extension(reconnect=True)"
FRESH = ("a fresh one has taken its place", "Count was 3 before the outage and is 0 after")

STUBS = {
    "02-blip": ("The page does not try to come back by itself", "reconnect_session is False"),
    "02-lost": ("is not told that the session was lost", "Count was 3 and is 0; the page says: Welcome"),
}

WRONG = {
    "02-blip": [
        EMPTY,
        Wrong("the page alone", (COMMAND, RECONNECT), *FRESH),
        Wrong(
            "the server alone",
            (COMMAND + "--unused-session-lifetime 60000", "pn.extension()"),
            "does not try to come back by itself",
        ),
        Wrong(
            "asks for a click",
            (COMMAND + "--unused-session-lifetime 60000", 'pn.extension(reconnect="prompt")'),
            "does not try to come back by itself",
        ),
        Wrong("seconds for milliseconds", (COMMAND + "--unused-session-lifetime 60", RECONNECT), *FRESH),
        Wrong(
            "a misspelt flag",
            (COMMAND + "--unused-sessions-lifetime 60000", RECONNECT),
            "`panel serve` does not know --unused-sessions-lifetime",
        ),
        Wrong(
            "kept for a day",
            (COMMAND + "--unused-session-lifetime 86400000", RECONNECT),
            "still has a session after 3 minutes",
            "--unused-session-lifetime 86400000",
        ),
        Wrong(
            "shows the expected number",
            "import panel as pn\n\npn.extension(reconnect=True)\n"
            'pn.Row(pn.widgets.Button(name="Add one"), pn.widgets.IntInput(name="Count", value=3)).servable()\n',
            "Three clicks on `Add one` do not count",
            "Count was 3 and is 3",
        ),
    ],
    "02-lost": [
        EMPTY,
        Wrong(
            "in onload",
            (
                "replaces_another = False\n"
                "seen = pn.state.cache.setdefault('seen', set())\n"
                "here = pn.state.curdoc.session_context.id\n"
                "news = pn.pane.Markdown('')\n"
                "again = here in seen\n"
                "pn.state.onload(lambda: news.param.update(object=LOST if again else ''))\n"
                "seen.add(here)\n"
                "news.servable()\n",
            ),
            "is not told that the session was lost",
        ),
        Wrong(
            "asks the headers of the page",
            ('replaces_another = "Upgrade" in pn.state.headers',),
            "is not told that the session was lost",
        ),
        Wrong("always", ("replaces_another = True",), "A first visit is told that something was lost"),
        Wrong(
            "a note that all sessions share",
            ("replaces_another = pn.state.cache.get('was here', False)\npn.state.cache['was here'] = True",),
            "A first visit is told|The next visitor, who has lost nothing, is told so too",
        ),
    ],
}
