"""Who takes part in an experiment: one user for each setting that is compared."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from sessionlab.errors import InvalidOption
from sessionlab.server import serve

OF_THE_SERVER = [name for name in inspect.signature(serve).parameters if name not in ("app", "unknown")]
App = str | os.PathLike


@dataclass(frozen=True)
class Plan:
    """One user: her ``name``, the application and the ``options`` of its server, and the ``query`` of her page.

    ``login`` is the password with which she logs in; empty where nobody does.
    """

    name: str
    app: App
    options: dict = field(default_factory=dict)
    query: dict = field(default_factory=dict)
    login: str = field(default="", repr=False)

    @property
    def suffix(self) -> str:
        return f"?{urlencode(self.query)}" if self.query else ""

    def same_server(self, other: Plan) -> bool:
        return (self.app, self.options) == (other.app, other.options)


def plans(app: App | Sequence[App], users: Sequence[str], settings: dict, login: str = "") -> list[Plan]:
    """One plan for each application, user or value: whichever is a list.

    ``settings`` are options of `serve`, and the rest the query of the page. A list is a value for each user, except
    ``panel_args``, where it has to be a list of lists.

    Raises InvalidOption when two are lists, or a list is empty: it would not be plain what differs.
    """
    apps = [app] if isinstance(app, str | os.PathLike) else list(app)
    lists = {name: value for name, value in settings.items() if _is_list(name, value)}
    compared = [*lists, *(["the application"] if len(apps) != 1 else []), *(["users"] if users else [])]
    if len(compared) > 1:
        raise InvalidOption(f"{' and '.join(compared)} are lists.", advice="compare one thing at a time.")
    name, values = next(iter(lists.items()), ("", ()))
    if not apps or (name and not values):
        raise InvalidOption(f"{name or 'the application'} is an empty list.", advice="give one value for each user.")
    if name:
        return [_plan(_shown(value), apps[0], {**settings, name: value}, login) for value in values]
    return [_plan(user or Path(each).stem, each, settings, login) for each in apps for user in users or [""]]


def _plan(name: str, app: App, settings: dict, login: str) -> Plan:
    options = {key: value for key, value in settings.items() if key in OF_THE_SERVER}
    return Plan(name, app, options, {key: value for key, value in settings.items() if key not in options}, login)


def _is_list(name: str, value) -> bool:
    return isinstance(value, list) and (name != "panel_args" or all(isinstance(each, list | tuple) for each in value))


def _shown(value) -> str:
    """How a value is called in a table: a list of arguments by the last, which says what differs."""
    return str(value[-1]) if isinstance(value, list | tuple) and value else str(value)
