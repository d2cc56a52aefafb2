"""Values of widgets and parameters as JSON, and back: for `recover_inputs` and `persist`, which keeps more kinds."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import param
from panel.util import indexOf
from panel.viewable import Viewable
from panel.widgets import AutocompleteInput, Button, FileInput, MultiSelect, PasswordInput, Select, Widget

SECRET = re.compile(r"pass(word|phrase|wort)|secret|token|api.?key|credential", re.IGNORECASE)
# Three classes of param, as Panel uses them.
Parameter, List, Event = (type(widget.param.value) for widget in (Select, MultiSelect, Button))


@dataclass(frozen=True)
class Input:
    """A parameter whose value is kept under a name."""

    name: str
    owner: Any
    parameter: str

    @property
    def _choices(self) -> dict | None:
        """What the user chooses from, by label; None if it is no such widget."""
        if self.parameter != "value" or isinstance(self.owner, AutocompleteInput):  # that one takes any text
            return None
        labels = getattr(self.owner, "labels", None)
        return None if labels is None else dict(zip(labels, self.owner.values, strict=True))

    @property
    def _bounds(self) -> tuple:
        if hasattr(self.owner, "fixed_start"):  # sliders with a box, in which any number can be typed
            return self.owner.fixed_start, self.owner.fixed_end
        return getattr(self.owner, "start", None), getattr(self.owner, "end", None)

    @property
    def is_secret(self) -> bool:
        """Whether the value is, or is named like, something that nobody else should read."""
        return isinstance(self.owner, PasswordInput) or bool(SECRET.search(self.name) or SECRET.search(self.label))

    @property
    def label(self) -> str:
        """What the user knows it by."""
        if self.parameter == "value" and isinstance(self.owner, Widget):
            return getattr(self.owner, "label", self.owner.name)  # widgets have a label since Panel 1.9
        return self.parameter

    def read(self):
        """The value, as JSON can hold it; raises TypeError or ValueError if it cannot."""
        value, parameter, choices = getattr(self.owner, self.parameter), self.owner.param[self.parameter], self._choices
        if choices is None or value is None:
            return self._plain(parameter, value)
        labels, values = list(choices), list(choices.values())
        if isinstance(parameter, List):
            return [labels[indexOf(each, values)] for each in value]
        return labels[indexOf(value, values)]

    def write(self, value) -> None:
        """Set what `read` gave; raises ValueError if it does not fit any more."""
        parameter, choices = self.owner.param[self.parameter], self._choices
        if choices is None or value is None:
            value = self._full(parameter, value)
            start, end = self._bounds
            for number in value if isinstance(value, tuple) else [value]:
                if (start is not None and number < start) or (end is not None and number > end):
                    raise ValueError(f"{number} is not between {start} and {end}")
        else:
            try:
                value = [choices[label] for label in value] if isinstance(parameter, List) else choices[value]
            except KeyError as missing:
                raise ValueError(f"there is no option {missing}") from None
        setattr(self.owner, self.parameter, value)

    def _plain(self, parameter, value):
        value = parameter.serialize(value)
        json.dumps(value)
        return value

    def _full(self, parameter, value):
        return parameter.deserialize(value)


def declared(who: str, thing: Widget | Parameter, name: str = "", kind: type[Input] = Input) -> Input:  # type: ignore[valid-type]
    """What ``thing``, a widget with a value or a parameter, is known by; ``who`` asks, for the errors.

    Raises TypeError if it is neither, ValueError if it has no name or no value that could be set again.
    """
    if isinstance(thing, Parameter):
        owner, parameter = thing.owner, thing.name
    elif isinstance(thing, Widget) and "value" in thing.param:
        owner, parameter = thing, "value"
    else:
        raise TypeError(f"{who}() takes widgets with a value, and parameters; got {thing!r}")
    item = kind(name or kind("", owner, parameter).label, owner, parameter)
    if not item.name:
        raise ValueError(f"{thing!r} has no name; write {who}(some_name=...)")
    if isinstance(owner, FileInput) or isinstance(owner.param[parameter], Event):
        raise ValueError(f"{item.name!r} ({type(owner).__name__}) has no value that could be set again; leave it out")
    return item


def readable(item: Input) -> Input:
    """The same; raises ValueError if its value cannot be written as JSON."""
    try:
        item.read()
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"the value of {item.name!r} cannot be written as JSON: {error}") from None
    return item


class Kept(Input):
    """One that may also hold arrays and tables of plain values: never anything that is run to be read."""

    def _plain(self, parameter, value):
        return _packed(value) if isinstance(value, np.ndarray) or _is_table(value) else super()._plain(parameter, value)

    def _full(self, parameter, value):
        return _unpacked(value) if isinstance(value, dict) and KIND in value else super()._full(parameter, value)


def parts(who: str, thing: param.Parameterized, name: str, seen: tuple = ()) -> Iterator[Input]:
    """The parameters of an object, and of the objects in it, each under a name of its own: ``settings.size.width``.

    Left out are constants, what shows something, and what is only triggered.
    """
    for own in thing.param.objects("existing").values():
        known = str(own.name)
        value = getattr(thing, known)
        if known == "name" or own.constant or own.readonly or isinstance(own, param.Action | Event):
            continue
        if isinstance(value, param.Parameterized) and not isinstance(value, Viewable):
            if not any(value is each for each in (*seen, thing)):
                yield from parts(who, value, f"{name}.{known}", (*seen, thing))
        elif not isinstance(value, Viewable):
            yield Kept(f"{name}.{known}", thing, known)


# -- arrays and tables ---------------------------------------------------------------------------------------------

KIND = "$kind"


def _packed(value) -> dict:
    if _is_table(value):
        names = [*map(str, value.columns)]
        if len(set(names)) < len(names) or not all(isinstance(name, str) for name in value.columns):
            raise TypeError("a table needs columns with names of their own")
        columns = {name: _column(value[name]) for name in names}
        return {KIND: "table", "columns": columns, "index": _column(value.index.to_series()), "of": value.index.name}
    if value.dtype.hasobject:
        raise TypeError("an array of objects")
    file = io.BytesIO()
    np.save(file, value, allow_pickle=False)
    return {KIND: "array", "npy": base64.b64encode(file.getvalue()).decode()}


def _is_table(value) -> bool:
    pandas = sys.modules.get("pandas")  # Panel starts without it, and so does an application that has no table
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _column(column) -> dict:
    values = column.to_numpy()
    if not values.dtype.hasobject:
        return {"type": str(column.dtype), **_packed(values)}
    listed = [None if missing else each for each, missing in zip(column, column.isna(), strict=True)]
    if not all(each is None or isinstance(each, str | bool | int | float) for each in listed):
        raise TypeError(f"the column {column.name!r} holds objects")
    return {"type": str(column.dtype), "values": listed}


def _unpacked(packed: dict):
    if packed[KIND] == "array":
        return np.load(io.BytesIO(base64.b64decode(packed["npy"])), allow_pickle=False)
    import pandas as pd

    index = pd.Index(_series(packed["index"]), name=packed["of"])
    return pd.DataFrame({name: _series(column).to_numpy() for name, column in packed["columns"].items()}, index).astype(
        {name: column["type"] for name, column in packed["columns"].items()}
    )


def _series(column: dict):
    import pandas as pd

    values = _unpacked(column) if KIND in column else column["values"]
    return pd.Series(values, dtype=column["type"])
