"""Values on the wire: between Bokeh's JSON representations and plain Python values."""

from __future__ import annotations

import base64
import gzip
import math
import sys
from collections.abc import Callable, Mapping

# Bokeh's names of array element types -> the codes of memoryview.cast
DTYPES = {
    "bool": "?",
    "int8": "b",
    "uint8": "B",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}


class Model:
    """One Bokeh model as the server described it: ``id``, ``type`` and ``attributes``.

    ``attributes`` holds only what differs from Bokeh's defaults, in Bokeh's JSON representation.
    """

    __slots__ = ("attributes", "id", "type")

    def __init__(self, id: str, type: str, attributes: dict):
        self.id, self.type, self.attributes = id, type, attributes

    @property
    def short_type(self) -> str:
        """The type without its module: ``panel.models.widgets.Button`` is a ``Button``."""
        return self.type.rpartition(".")[2]

    @property
    def label(self) -> str:
        """What the page writes beside the model: its title, label or name; may be empty."""
        for attribute in ("title", "label", "name"):
            text = self.attributes.get(attribute)
            if isinstance(text, str) and text:
                return text
        return ""

    def __repr__(self) -> str:
        return f"<{self.short_type} {self.id} {self.label!r}>"


def decode(value, resolve: Callable[[str], Model | None] = lambda _: None):
    """A plain Python value for a representation.

    Maps become dicts, sets and arrays of any kind lists, bytes bytes; models stay models, and a reference
    becomes the model that ``resolve`` gives for its id.
    """
    if isinstance(value, list):
        return [decode(item, resolve) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get("type"):
        case "map":
            return {_key(decode(k, resolve)): decode(v, resolve) for k, v in value.get("entries", ())}
        case "set" | "array":
            return [decode(item, resolve) for item in value.get("entries", ())]
        case "number":
            return float(value["value"])
        case "bytes":
            return decode_bytes(value)
        case "ndarray" | "typed_array":
            return _array(value)
        case "slice":
            return slice(value["start"], value["stop"], value["step"])
        case None if value.keys() == {"id"}:
            return resolve(value["id"]) or value
    return {k: decode(v, resolve) for k, v in value.items()}


def decode_bytes(value: dict) -> bytes:
    """The bytes of a representation, whether they came as a frame of their own or as text."""
    data = value["data"]
    return gzip.decompress(base64.b64decode(data)) if isinstance(data, str) else data


def _key(key):
    return tuple(key) if isinstance(key, list) else key


def _array(value: dict) -> list:
    raw = value["array"]
    if isinstance(raw, dict) and raw.get("type") == "bytes":
        items = memoryview(decode_bytes(raw)).cast(DTYPES[value["dtype"]])  # type: ignore[call-overload]  # one of the format's letters
        if value["order"] != sys.byteorder:
            raise ValueError(f"an array in {value['order']}-endian order on a {sys.byteorder}-endian machine")
        items = items.tolist()
    else:
        items = decode(raw)
    shape = value.get("shape") or [len(items)]
    for size in reversed(shape[1:]):
        items = [items[i : i + size] for i in range(0, len(items), size)]
    return items


def encode(value, buffers: list[bytes] | None = None):
    """The representation of a plain Python value.

    Bytes are appended to ``buffers`` and referred to by position, or kept in place without ``buffers``.

    Models become references, which is how BokehJS names a model that the server knows.
    """
    match value:
        case None | bool() | str() | int():
            return value
        case float():
            if math.isfinite(value):
                return value
            return {"type": "number", "value": "nan" if math.isnan(value) else "+inf" if value > 0 else "-inf"}
        case Model():
            return {"id": value.id}
        case bytes():
            if buffers is None:
                return {"type": "bytes", "data": value}
            buffers.append(value)
            return {"type": "bytes", "data": {"id": str(len(buffers) - 1)}}
        case list() | tuple():
            return [encode(item, buffers) for item in value]
        case set() | frozenset():
            return {"type": "set", "entries": [encode(item, buffers) for item in value]}
        case Mapping():
            entries = [[encode(k, buffers), encode(v, buffers)] for k, v in value.items()]
            return {"type": "map", "entries": entries} if entries else {"type": "map"}
    if hasattr(value, "isoformat"):  # dates and times; a date picker speaks ISO
        return value.isoformat()
    if hasattr(value, "tolist"):  # numbers and arrays of numpy
        return encode(value.tolist(), buffers)
    raise TypeError(f"a browser has no way to send a {type(value).__name__}: {value!r}")
