"""What a visitor can click, type, move and select: found in the JSON of a document."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sessionlab.client.document import Document
from sessionlab.client.shown import Shown
from sessionlab.client.values import Model
from sessionlab.errors import VisitFailed


@dataclass(frozen=True)
class Kind:
    """How models of one kind are used.

    ``attribute`` holds the value, ``default`` is what the server leaves out of the JSON. BokehJS sets the attributes
    ``before`` and ``after`` along with it, and on Enter sends the event ``enter``, with the value under ``enter_key``.
    ``choices`` names the attribute that lists the options; a default ``step`` counts in ``unit``.
    """

    name: str
    attribute: str | None = "value"
    default: object = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    choices: str | None = None
    indexed: bool = False  # the value is the position among the choices
    enter: str | None = None
    enter_key: str | None = None
    step: float = 1
    unit: float = 1


BUTTON = Kind("button", None)
TOGGLE = Kind("toggle", "active", False)
SLIDER = Kind("slider", default=0, after=("value_throttled",))
RANGE = Kind("range", default=(0, 1), after=("value_throttled",))
SECOND, DAY = 1000, 86_400_000  # date sliders hold milliseconds and step in one of these
TEXT = Kind("text", default="", before=("value_input",), enter="enter-pressed", enter_key="value_input")
CHAT = Kind("text", "value_input", "", enter="chat_message_event", enter_key="value")
NUMBER = Kind("number")
SPINNER = Kind("number", after=("value_throttled",))
SELECT = Kind("select", default="", choices="options")
MANY = Kind("multiselect", default=(), choices="options")
RADIO = Kind("radio", "active", None, choices="labels", indexed=True)
CHECKS = Kind("checks", "active", (), choices="labels", indexed=True)
DATE = Kind("date")
TABLE = Kind("table", None)

# type of model, without its module -> how it is used
KINDS = {
    "Button": BUTTON,
    "ButtonIcon": BUTTON,
    "Toggle": TOGGLE,
    "Checkbox": TOGGLE,
    "Switch": TOGGLE,
    "ToggleIcon": Kind("toggle", "value", False),
    "Card": Kind("toggle", "collapsed", True),
    "Slider": SLIDER,
    "DateSlider": replace(SLIDER, unit=DAY),
    "DatetimeSlider": replace(SLIDER, step=60, unit=SECOND),
    "Player": SLIDER,
    "RangeSlider": RANGE,
    "DateRangeSlider": replace(RANGE, unit=DAY),
    "DatetimeRangeSlider": replace(RANGE, step=3_600_000),
    "CategoricalSlider": Kind("select", after=("value_throttled",), choices="categories"),
    "Spinner": SPINNER,
    "NumericInput": NUMBER,
    "TextInput": TEXT,
    "TextAreaInput": TEXT,
    "ChatAreaInput": CHAT,
    "PasswordInput": TEXT,
    "AutocompleteInput": replace(TEXT, choices="completions"),
    "Select": SELECT,
    "CustomSelect": SELECT,
    "SingleSelect": SELECT,
    "PaletteSelect": Kind("select", choices="items"),
    "MultiSelect": MANY,
    "CustomMultiSelect": MANY,
    "MultiChoice": MANY,
    "RadioGroup": RADIO,
    "RadioButtonGroup": RADIO,
    "CheckboxGroup": CHECKS,
    "CheckboxButtonGroup": CHECKS,
    "Tabs": Kind("tabs", "active", 0, choices="tabs", indexed=True),
    "DatePicker": DATE,
    "DatetimePicker": DATE,
    "TimePicker": DATE,
    "DateRangePicker": DATE,
    "DatetimeRangePicker": DATE,
    "MultipleDatePicker": DATE,
    "ColorPicker": Kind("color", "color", "#000000"),
    "Dropdown": Kind("menu", None, choices="menu"),
    "FileInput": Kind("file", default=""),
    "DataTabulator": TABLE,
    "DataTable": TABLE,
}
# what Panel puts before the name of a model that it derives from Bokeh's
DERIVED = ("Custom", "Data")


@dataclass(frozen=True)
class Widget(Shown):
    """Something to click, type in, move or select.

    ``kind``: button, toggle, slider, range, text, number, select, multiselect, radio, checks, tabs, date, color,
    menu, file or table. ``id`` and ``type`` of the model, ``name`` as the page shows it (may be empty), current
    ``value``, bounds ``low``, ``high`` and ``step`` (None where there are none), ``options`` that can be set and
    the ``labels`` that the page shows for them.
    """

    kind: str
    id: str
    type: str
    name: str
    value: object
    low: object = None
    high: object = None
    step: object = None
    options: tuple = ()
    labels: tuple[str, ...] = ()

    def __str__(self) -> str:
        value = "" if self.value is None else f" = {self.value!r}"
        return f"{self.kind} {self.name or self.type!r} ({self.id}){value}"

    def other_value(self):
        """A value that a user could set next, different from the present one; None if none is known."""
        value, options = self.value, self.options
        match self.kind:
            case "toggle":
                return not value
            case "text" if not options:
                return f"{value or ''}x"[-20:]
            case "color":
                return "#ff0000" if value != "#ff0000" else "#00ff00"
            case "date":
                return self._other_day()
            case "slider" | "number":
                return self._moved(value if value is not None else self.low or 0)
            case "range":
                low, high = value
                moved = self._moved(low)
                return None if moved is None else [moved, high] if moved <= high else [self.low, high]
            case "select" | "radio" | "tabs" | "text" if options:
                other = options[(options.index(value) + 1) % len(options)] if value in options else options[0]
                return other if other != value else None
            case "multiselect" | "checks" if options:
                return [option for option in options if option not in value] or [options[0]]
        return None

    def _moved(self, value):
        if self.high is None or value + self.step <= self.high:
            return value + self.step
        lowest = value - self.step if self.low is None else self.low
        return lowest if lowest != value else None

    def _other_day(self):
        if self.value is None and self.type == "DatePicker":
            return self.low or "2000-01-01"
        if not isinstance(self.value, str) or self.type == "TimePicker":
            return None
        day, rest = self.value[:10], self.value[10:]
        step = dt.timedelta(days=-1 if self.high and day >= str(self.high)[:10] else 1)
        return (dt.date.fromisoformat(day) + step).isoformat() + rest


def kind_of(model: Model) -> Kind | None:
    return KINDS.get(model.short_type)


def value_of(document: Document, model: Model, attribute: str | None = None):
    """A plain Python value of an attribute, by default of the one that holds the widget's value."""
    kind = kind_of(model)
    attribute = attribute_of(model, attribute or "value")
    if attribute in model.attributes:
        return document.decode(model.attributes[attribute])
    if kind is None or attribute != kind.attribute:
        return None
    return list(kind.default) if isinstance(kind.default, tuple) else kind.default


def attribute_of(model: Model, name: str) -> str:
    """The attribute that ``name`` means: ``value`` is the widget's value, wherever the model keeps it."""
    kind = kind_of(model)
    return kind.attribute if name == "value" and kind and kind.attribute else name


def widgets_in(document: Document) -> list[Widget]:
    """Every enabled widget, in the order of the page."""
    return [
        describe(document, model)
        for model in document.models.values()
        if model.short_type in KINDS and not model.attributes.get("disabled") and _usable(model)
    ]


def _usable(model: Model) -> bool:
    return model.short_type != "Card" or model.attributes.get("collapsible", True)


def describe(document: Document, model: Model) -> Widget:
    kind, attributes = KINDS[model.short_type], model.attributes
    options, labels = _choices(document, kind, attributes)

    def bound(*names):
        return next((document.decode(attributes[n]) for n in names if attributes.get(n) is not None), None)

    return Widget(
        kind.name,
        model.id,
        model.short_type,
        model.label,
        value_of(document, model) if kind.attribute else None,
        bound("start", "low", "min_date"),
        bound("end", "high", "max_date"),
        (bound("step") or kind.step) * kind.unit if kind.name in ("slider", "range", "number") else None,
        options,
        labels,
    )


def _choices(document: Document, kind: Kind, attributes: dict) -> tuple[tuple, tuple[str, ...]]:
    listed = attributes.get(kind.choices) if kind.choices else None
    if not listed:
        return (), ()
    if kind.choices == "tabs":
        tabs = [document.model(tab) for tab in listed]
        pairs = [(None, tab.attributes.get("title") or "") for tab in tabs if tab]
    else:
        pairs = list(_pairs(document.decode(listed), label_first=kind.choices == "menu"))
    labels = tuple(str(label) for _, label in pairs)
    return (tuple(range(len(pairs))) if kind.indexed else tuple(value for value, _ in pairs)), labels


def _pairs(listed: Iterable, label_first: bool):
    if isinstance(listed, dict):  # options in groups
        listed = [option for group in listed.values() for option in group]
    for option in listed:
        if isinstance(option, list):
            first, second = option[:2]
            yield (second, first) if label_first else (first, second if isinstance(second, str) else first)
        elif option is not None:  # a line in a menu
            yield option, option


def find_all(document: Document, name: str) -> list[Model]:
    """The models that ``name`` fits best: by id, else by name, title or label, else by type. In page order."""
    models = document.models
    if name in models:
        return [models[name]]
    texts = ("name", "title", "label")
    named = [m for m in models.values() if any(m.attributes.get(text) == name for text in texts)]
    # a widget before a pane or a tab of the same name
    named.sort(key=lambda model: model.short_type not in KINDS)
    return named or [m for m in models.values() if name in (m.type, m.short_type) or _derived(m.short_type, name)]


def _derived(kind: str, name: str) -> bool:
    return any(kind == prefix + name for prefix in DERIVED)


def find(document: Document, name: str) -> Model:
    """The first model that ``find_all`` gives; raises VisitFailed, which lists what there is."""
    found = find_all(document, name)
    if found:
        return found[0]
    there = "\n".join(f"  {widget}" for widget in widgets_in(document)[:30]) or "  no widgets at all"
    raise VisitFailed(
        f"The page has nothing with the name, title, label, type or id {name!r}.", why=f"It has:\n{there}"
    )
