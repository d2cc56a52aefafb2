# holder: _kept\.SEEN
# objects: 1
"""One object a session, in a list of an imported module."""

import _kept
import panel as pn


class Visit:
    pass


_kept.SEEN.append(Visit())
pn.Column("One object a session").servable()
