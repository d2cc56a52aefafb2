"""Chapter 07."""

from ..attempts import EMPTY, Wrong

WATCH = """light = pn.pane.Markdown(words(False))
watcher = pn.state.param.watch(lambda event: light.param.update(object=words(event.new)), "busy")
"""
STATIC = """import panel as pn

pn.extension()
pn.Column(
    pn.widgets.IntInput(name="Number", value=1),
    pn.pane.Markdown("Report 1000 of 344 rows"),
).servable()
"""

STUBS = {
    "07-busy": ("Each session leaves something behind", "6 sessions came and went; 5 of Panel's objects stay for each"),
    "07-cache": ("Every report is kept for ever", "after 40 others a report came without asking"),
}

WRONG = {
    "07-busy": [
        EMPTY,
        # the watcher of a session that is gone fails, and those after it are not told
        Wrong(
            "a watcher that stays",
            (WATCH,),
            "The light does not follow",
            "NameError: name '(words|light)' is not defined",
        ),
        Wrong(
            "a hook that reads globals",
            (WATCH + "pn.state.on_session_destroyed(lambda context: pn.state.param.unwatch(watcher))",),
            "The light does not follow",
            "NameError",
        ),
        Wrong(
            "without the light",
            ('light = pn.pane.Markdown("idle after 1 jobs")',),
            "The light does not follow the server's work",
            "before a job it says 'idle after 1 jobs', and after it 'idle after 1 jobs'",
        ),
    ],
    "07-cache": [
        Wrong("shows the expected text", STATIC, "A report does not come", "Report 1000 of 344 rows"),
        Wrong("no cache", ("",), "made anew for another user", "asked 1 times"),
        Wrong(
            "one cache for each session", ("@pn.cache(per_session=True, max_items=20)",), "made anew for another user"
        ),
        Wrong("a time to live", ("@pn.cache(ttl=3600)",), "Every report is kept for ever"),
        Wrong("too few", ("@pn.cache(max_items=5)",), "had to be made anew"),
    ],
}
