"""A served document as JSON: pulled once, then kept up to date by the patches that the server pushes.

No Bokeh model is ever built: a visit must cost the lab next to nothing. While a document is parsed, each model
in it is registered under its id, and each binary buffer is put where it belongs; nothing is walked or copied.
"""

from __future__ import annotations

import html
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping

from sessionlab.client.values import Model, decode

TAGS = re.compile(r"<[^>]*>")


class Document:
    """The document of one session.

    ``title``, ``roots`` (models), ``models`` (id -> model, what the roots reach, in the order of the page),
    ``messages`` (the last events and messages the server sent: pairs of name and content).
    """

    def __init__(self, content: str, buffers: Mapping[str, bytes]):
        self._known: dict[str, Model] = {}
        self._reached: dict[str, Model] | None = None  # None: to be found anew
        self._pruned_at = 0
        self.messages: deque[tuple[str, object]] = deque(maxlen=100)
        doc = self._parse(content, buffers)["doc"]
        self.title: str = doc.get("title") or ""
        self.config: Model | None = doc.get("config")
        self.roots: list[Model] = doc["roots"]
        self._pruned_at = len(self._known)

    def _parse(self, content: str, buffers: Mapping[str, bytes]) -> dict:
        known = self._known

        def register(rep: dict):
            kind = rep.get("type")
            if kind == "object":
                if "id" in rep:
                    self._reached = None
                    if (model := known.get(rep["id"])) is not None:  # described anew
                        model.attributes = rep.get("attributes", {})
                        return model
                    model = known[rep["id"]] = Model(rep["id"], rep["name"], rep.get("attributes", {}))
                    return model
            elif kind == "bytes" and isinstance(rep["data"], dict):
                rep["data"] = buffers[rep["data"]["id"]]
            return rep

        return json.loads(content, object_hook=register)

    # -- reading -----------------------------------------------------------------------------------------------

    @property
    def models(self) -> dict[str, Model]:
        if self._reached is None:
            self._reached = {}
            self._walk(self.roots, self._reached)
        return self._reached

    def _walk(self, value, reached: dict[str, Model]) -> None:
        if isinstance(value, dict):
            if value.keys() == {"id"} and value["id"] in self._known:
                value = self._known[value["id"]]
            else:
                value = list(value.values())
        if isinstance(value, Model):
            if value.id not in reached:
                reached[value.id] = value
                for attribute in value.attributes.values():
                    self._walk(attribute, reached)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, Model | dict | list):
                    self._walk(item, reached)

    def model(self, reference: dict | Model) -> Model | None:
        """The model behind a reference (``{"id": …}``), or None."""
        return reference if isinstance(reference, Model) else self._known.get(reference["id"])

    def decode(self, value):
        """A plain Python value of an attribute; references become models."""
        return decode(value, self._known.get)

    @property
    def text(self) -> str:
        """What the page's text panes say, one line each, without their tags."""
        texts = (model.attributes.get("text") for model in self.models.values())
        plain = (html.unescape(TAGS.sub("", html.unescape(text))).strip() for text in texts if isinstance(text, str))
        return "\n".join(filter(None, plain))

    # -- patches -----------------------------------------------------------------------------------------------

    def patch(self, content: str, buffers: Mapping[str, bytes]) -> list[str]:
        """Apply a PATCH-DOC; returns a sentence for each event that could not be applied."""
        problems = []
        for event in self._parse(content, buffers)["events"]:
            try:
                self._apply(event)
            except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
                problems.append(f"could not apply {event.get('kind')}: {error!r}")
        if len(self._known) > 2 * self._pruned_at + 500:  # an app that replaces its content again and again
            self._known = dict(self.models)
            self._pruned_at = len(self._known)
        return problems

    def _apply(self, event: dict) -> None:
        kind = event["kind"]
        if kind == "MessageSent":
            self.messages.append((event["msg_type"], self.decode(event.get("msg_data"))))
        elif kind == "TitleChanged":
            self.title = event["title"]
        elif kind == "RootAdded":
            root = self._target(event)
            if root not in self.roots:
                self.roots.append(root)
            self._reached = None
        elif kind == "RootRemoved":
            self.roots.remove(self._target(event))
            self._reached = None
        elif kind == "ModelChanged":
            self.set(self._target(event), event["attr"], event["new"])
        else:
            columns = self._target(event).attributes
            attribute = event["attr"]
            if kind == "ColumnDataChanged":
                columns[attribute] = _replace(columns.get(attribute), event["data"], event.get("cols"))
            elif kind == "ColumnsStreamed":
                columns[attribute] = _stream(columns.get(attribute), event["data"], event.get("rollover"))
            elif kind == "ColumnsPatched":
                columns[attribute] = _patch(columns.get(attribute), event["patches"])
            else:
                raise ValueError("unknown event")

    def _target(self, event: dict) -> Model:
        model = self.model(event["model"])
        if model is None:
            raise KeyError(f"no model {event['model']['id']}")
        return model

    def set(self, model: Model, attribute: str, representation) -> None:
        """Change an attribute in this view only."""
        old = model.attributes.get(attribute)
        model.attributes[attribute] = representation
        if isinstance(old, dict | list | Model) or isinstance(representation, dict | list | Model):
            self._reached = None  # models may have left or come


# -- columns of a data source: a map representation whose arrays are decoded once they change ------------------------


def _entries(data: dict | None) -> dict:
    return dict((data or {}).get("entries", ()))


def _map(columns: Mapping) -> dict:
    return {"type": "map", "entries": [[name, column] for name, column in columns.items()]}


def _replace(data: dict | None, new: dict, names: Iterable[str] | None) -> dict:
    return new if names is None else _map({**_entries(data), **_entries(new)})


def _stream(data: dict | None, new: dict, rollover: int | None) -> dict:
    columns = _entries(data)
    for name, items in _entries(new).items():
        column = columns.get(name, [])
        if not isinstance(column, list):
            column = decode(column)
        column.extend(decode(items))
        if rollover is not None and len(column) > rollover:
            del column[: len(column) - rollover]
        columns[name] = column
    return _map(columns)


def _patch(data: dict | None, patches: dict) -> dict:
    columns = _entries(data)
    for name, changes in _entries(patches).items():
        column = decode(columns[name])
        for where, value in changes:
            where = decode(where)
            *path, last = where if isinstance(where, list) else [where]
            if any(isinstance(step, slice) for step in path):
                raise ValueError("patches of parts of an image are not followed")
            place = column
            for step in path:
                place = place[step]
            place[last] = decode(value)
        columns[name] = column
    return _map(columns)
