"""Views of one table: pandas remembers them by weak references, and drops the dead ones now and then."""

import _shared
import panel as pn

pn.pane.DataFrame(_shared.TABLE.tail(3)).servable()
