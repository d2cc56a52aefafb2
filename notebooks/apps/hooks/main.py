"""Says in the log when each hook runs. See `app_hooks.py` and `setup.py` beside it."""

import panel as pn

pn.extension()


def say(hook):
    print("hook:", hook, flush=True)


say("    the script runs")
pn.state.onload(lambda: say("    pn.state.onload"))
pn.state.curdoc.on_event("connection_lost", lambda event: say("    connection_lost, on the document"))
pn.state.on_session_destroyed(lambda context, say=say: say("    pn.state.on_session_destroyed"))

pn.widgets.Button(name="Hello").servable()
