"""Chapter 02."""

from sessionlab.course.exercises.exercise import find

from ..attempts import EMPTY, Wrong

COMMAND = "# panel serve 02_blip.py "
RECONNECT = "pn.extension(reconnect=True)"
FRESH = ("a fresh one has taken its place", "Count was 3 before the outage and is 0 after")

STUBS = {
    "02-blip": ("The page does not try to come back by itself", "reconnect_session is False"),
    "02-tunnel": ("After a tunnel of a minute the count is gone", "Count was 3 and is 0; flags: --session-token-"),
    "02-lost": ("is not told that the session was lost", "Count was 3 and is 0; the page says: Welcome"),
}

PASSENGERS = "# panel serve 02_tunnel.py "
LONG = PASSENGERS + "--unused-session-lifetime 120000 --session-token-expiration 86400"
SET = """
add = pn.widgets.Button(name="Add one")
shown = pn.Column(pn.widgets.IntInput(name="Count", value=0, disabled=True))
add.on_click(lambda event: shown[0].param.update(value=add.clicks))
pn.Column(add, shown).servable()
"""
REPLACED = find("02-tunnel").stub.read_text().partition("reconnect=True)\n")[2]  # as the reader finds it
TUNNEL = "After a tunnel of a minute the count is gone"

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
    "02-tunnel": [
        EMPTY,
        Wrong("seconds for milliseconds", (PASSENGERS + "--unused-session-lifetime 120", SET), TUNNEL, "Count was 3"),
        Wrong(
            "a token for milliseconds",
            (PASSENGERS + "--unused-session-lifetime 120000 --session-token-expiration 3600", SET),
            "is refused at its end",
            "its token is good for 1 h",
        ),
        Wrong("flags alone", (LONG, REPLACED), "does not count any more, though it has come back", "Count is 0"),
        Wrong(
            "kept for a day",
            (LONG.replace("120000", "86400000"), SET),
            "Who has logged off still has a session after 10 minutes",
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
