"""A thread of every session that soon ends."""

import threading

import _shared
import panel as pn

threading.Thread(target=_shared.soon_over, daemon=True).start()
pn.Column("thread").servable()
