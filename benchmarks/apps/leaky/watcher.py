# holder: (?i)_kept\.HUB.*watchers
# objects: 1
"""A watcher on an object that all sessions share, never taken back."""

import _kept
import panel as pn

shown = pn.pane.Str("0")
_kept.HUB.param.watch(lambda event, shown=shown: shown.param.update(object=str(event.new)), "tick")
pn.Column(shown).servable()
