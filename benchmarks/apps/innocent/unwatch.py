"""Watches a shared object and takes the watcher back, with its objects as default arguments."""

import _shared
import panel as pn

shown = pn.pane.Str("0")
watcher = _shared.HUB.param.watch(lambda event, shown=shown: shown.param.update(object=str(event.new)), "tick")
pn.state.on_session_destroyed(lambda context, hub=_shared.HUB, watcher=watcher: hub.param.unwatch(watcher))
pn.Column(shown).servable()
