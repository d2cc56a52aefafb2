# holder: Thread\(watch_forever\)
# objects: 1
"""A thread of every session that never ends."""

import threading

import _kept
import panel as pn

threading.Thread(target=_kept.watch_forever, daemon=True).start()
pn.Column("A thread").servable()
