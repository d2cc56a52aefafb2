"""What a visitor does to a document, in the form of the events that BokehJS sends for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sessionlab.client import widgets
from sessionlab.client.document import Document
from sessionlab.client.values import Model, encode
from sessionlab.errors import VisitFailed

# What Panel's BrowserInfo model reports from a headless Chromium once a page is shown.
BROWSER = {
    "dark_mode": False,
    "device_pixel_ratio": 1,
    "language": "en-US",
    "webdriver": True,
    "timezone": "UTC",
    "timezone_offset": 0,
    "webgl": True,
}


class Edits:
    """Edits of a document: seen in it at once, and collected as ``events`` and ``buffers`` of one patch."""

    def __init__(self, document: Document):
        self.document = document
        self.events: list[dict] = []
        self.buffers: list[bytes] = []

    def change(self, model: Model, attribute: str, value) -> None:
        """One attribute, and nothing with it."""
        self.document.set(model, attribute, encode(value))
        new = encode(value, self.buffers)
        self.events.append({"kind": "ModelChanged", "model": {"id": model.id}, "attr": attribute, "new": new})

    def event(self, name: str, model: Model | None = None, values: Mapping | None = None) -> None:
        """An event of the document or of a model."""
        origin = {} if model is None else {"model": model}
        values = encode({**origin, **(values or {})}, self.buffers)
        data = {"type": "event", "name": name, "values": values}
        self.events.append({"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": data})

    def introduce(self) -> None:
        """What Panel's model of the browser reports once it is shown."""
        for root in self.document.roots:
            if root.short_type == "BrowserInfo":
                for attribute, value in BROWSER.items():
                    self.change(root, attribute, value)

    def set(self, model: Model, attributes: Mapping) -> None:
        """As a user who is done with a widget: the slider is let go, the text ends with Enter."""
        kind = widgets.kind_of(model)
        for name, value in attributes.items():
            attribute = widgets.attribute_of(model, name)
            if kind is None or attribute != kind.attribute:
                self.change(model, attribute, value)
                continue
            for each in (*kind.before, attribute, *kind.after):
                self.change(model, each, value)
            if kind.enter and kind.enter in self.document.decode(model.attributes.get("subscribed_events") or []):
                self.event(kind.enter, model, {kind.enter_key: value})
                if kind is widgets.CHAT:  # its input is emptied once the text is sent
                    self.change(model, attribute, "")

    def click(self, model: Model, item=None) -> None:
        """On a button, a toggle, a tab, or an item of a menu."""
        kind = widgets.kind_of(model)
        use = kind.name if kind is not None else None
        if model.short_type == "TabPanel":
            tabs, position = self._tab(model)
            self.change(tabs, "active", position)
        elif kind is not None and kind.attribute and use == "toggle":
            self.change(model, kind.attribute, not widgets.value_of(self.document, model))
        elif use == "menu" and item is not None:
            self.event("menu_item_click", model, {"item": item})
        elif use in ("button", "menu"):
            self.event("button_click", model)
        else:
            raise VisitFailed(f"{model} is nothing to click.", advice="use set() to change its value.")

    def _tab(self, panel: Model) -> tuple[Model, int]:
        for model in self.document.models.values():
            if model.short_type == "Tabs":
                tabs = [self.document.model(tab) for tab in model.attributes.get("tabs", ())]
                if panel in tabs:
                    return model, tabs.index(panel)
        raise VisitFailed(f"{panel} belongs to no tabs.")

    def select_rows(self, table: Model, rows: Sequence[int]) -> None:
        """Rows of a table, by position."""
        source = self.document.model(table.attributes["source"])
        selected = source and self.document.model(source.attributes["selected"])
        if not selected:
            raise VisitFailed(f"{table} has no rows that can be selected.")
        self.change(selected, "indices", list(rows))

    def use(self, model: Model) -> bool:
        """As a curious user: click, move, type or select something else. False if nothing can be done."""
        if model.short_type not in widgets.KINDS:
            return False
        widget = widgets.describe(self.document, model)
        if widget.kind == "button":
            self.click(model)
        elif widget.kind == "menu" and widget.options:
            self.click(model, item=widget.options[0])
        elif widget.kind == "table":
            self.select_rows(model, [0])
        elif (other := widget.other_value()) is not None:
            self.set(model, {"value": other})
        else:
            return False
        return True
