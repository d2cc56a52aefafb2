"""Data of one session: a namespace that is freed with it."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from .current import current_document

_NAME = "_sessionlab_session_locals"


def session_locals() -> SessionLocals:
    """The namespace of the current session: the same object at every call in one session, empty at first.

        session_locals().db = sqlite3.connect(path)     # in the script
        session_locals()["db"].execute(...)             # in a callback, onload, a periodic callback
        own = session_locals()                          # in a callback: captured for a thread
        Thread(target=lambda: own.setdefault("rows", load())).start()

    It works in the script, in callbacks of every kind, in ``onload``, in threads that Panel starts
    (``--num-threads``), in ``asyncio.to_thread``, and in hooks of `on_session_destroyed`. In a thread of your own
    there is no telling which session it is for: capture the namespace before, and hand it over.

    It hangs on the session's Document and on nothing else, so it is freed when that is, with everything that
    only it refers to; what must be closed, close in a hook. A thread that has captured the namespace keeps it,
    and not the session.

    Replaces ``session_context.locals``, which guides name and no version of Bokeh or Panel has (looked for in
    Bokeh 3.8 and 3.9, Panel 1.9). To be dropped when one of them offers a namespace per session.

    Raises
    ------
    RuntimeError : outside a session. There is no namespace of the process instead: it would hand one user's data
        to the next, and a module-level variable does that already.
    """
    doc = current_document()
    if doc is None:
        raise RuntimeError(
            "session_locals() belongs to a session, and this code runs outside one. Call it in the served script or in "
            "a callback; for a thread, call it before and hand the namespace over."
        )
    return vars(doc).setdefault(_NAME, SessionLocals())


class SessionLocals(MutableMapping):
    """A dictionary whose items are attributes as well, unless a method has that name."""

    __slots__ = ("__weakref__", "_items")

    def __init__(self) -> None:
        object.__setattr__(self, "_items", {})

    def __getitem__(self, name: str):
        return self._items[name]

    def __setitem__(self, name: str, value) -> None:
        self._items[name] = value

    def __delitem__(self, name: str) -> None:
        del self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __getattr__(self, name: str):
        try:
            return self._items[name]
        except KeyError:
            raise AttributeError(f"this session has no {name!r}; it has {', '.join(self) or 'nothing yet'}") from None

    def __setattr__(self, name: str, value) -> None:
        if hasattr(type(self), name):
            raise AttributeError(f"{name!r} is a method of the namespace; write session_locals()[{name!r}] = …")
        self._items[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self._items[name]
        except KeyError:
            raise AttributeError(f"this session has no {name!r}") from None

    def __repr__(self) -> str:
        return f"<session_locals of {', '.join(map(str, self)) or 'nothing yet'}>"
