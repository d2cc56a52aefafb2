"""Hooks for every session of every application: `panel serve hooks --setup hooks/setup.py`."""

import panel as pn

pn.state.on_session_created(lambda context: print("hook:   pn.state.on_session_created, in --setup", flush=True))
pn.state.on_session_destroyed(lambda context: print("hook:   pn.state.on_session_destroyed, in --setup", flush=True))
