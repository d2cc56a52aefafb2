"""Put in place by import: the callbacks of a source are held by the source itself, so that both go together."""

import weakref
from collections.abc import MutableMapping

from panel.links import Callback


class _Registry(MutableMapping):
    """Callbacks by their source, as before; it holds neither of them."""

    def __init__(self):
        self._sources = weakref.WeakSet()

    def __getitem__(self, source):
        try:
            return vars(source)["_js_callbacks"]
        except (KeyError, TypeError):
            raise KeyError(source) from None

    def __setitem__(self, source, callbacks):
        vars(source)["_js_callbacks"] = callbacks
        self._sources.add(source)

    def __delitem__(self, source):
        del vars(source)["_js_callbacks"]
        self._sources.discard(source)

    def __iter__(self):
        return iter(self._sources)

    def __len__(self):
        return len(self._sources)


Callback.registry = _Registry()
