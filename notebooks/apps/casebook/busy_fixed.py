"""Watches `pn.state.param.busy` and takes the watcher back."""

import panel as pn

pn.extension()

shown = pn.pane.Str("idle")
watcher = pn.state.param.watch(lambda event, shown=shown: shown.param.update(object=str(event.new)), "busy")
pn.state.on_session_destroyed(lambda context, state=pn.state, watcher=watcher: state.param.unwatch(watcher))

pn.Column(shown).servable()
