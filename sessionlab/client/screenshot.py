"""A picture of a page that is small enough to be stored in a notebook."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sessionlab.errors import InvalidOption


@dataclass(frozen=True)
class Screenshot:
    """A PNG that shows itself in a notebook, with its text for those who do not see it.

    ``png`` is its bytes, ``alt`` what it shows in words, ``width`` and ``height`` its size in pixels.
    """

    png: bytes
    alt: str
    width: int
    height: int

    def _repr_mimebundle_(self, include=None, exclude=None):
        # The size in bytes is not in the text: it differs from machine to machine.
        data = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": str(self)}
        return data, {"image/png": {"alt": self.alt}}

    def __str__(self) -> str:
        return f"Picture: {self.alt}"

    __repr__ = __str__

    def __bytes__(self) -> bytes:
        return self.png

    def to_dict(self) -> dict:
        return {"alt": self.alt, "width": self.width, "height": self.height, "bytes": len(self.png)}

    def save(self, path: str | Path) -> Path:
        path = Path(path)
        path.write_bytes(self.png)
        return path


def shrink(png: bytes, alt: str, max_kb: float) -> Screenshot:
    """``png`` as it is or, until it takes at most ``max_kb`` (of 1000 bytes), in fewer colours and a smaller size."""
    from PIL import Image

    for candidate in _smaller_and_smaller(png):
        if len(candidate) <= max_kb * 1000:
            return Screenshot(candidate, alt, *Image.open(io.BytesIO(candidate)).size)
    raise InvalidOption(
        f"max_kb={max_kb!r} is too little for this page.",
        why=f"Its smallest picture takes {len(candidate) / 1000:.1f} KB.",
        advice="allow more, or take the picture of a smaller window.",
    )


def _smaller_and_smaller(png: bytes) -> Iterator[bytes]:
    from PIL import Image

    yield png
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for scale in (1, 0.8, 0.65, 0.5, 0.35):
        size = [max(1, round(length * scale)) for length in image.size]
        scaled = image.resize(size, Image.Resampling.LANCZOS) if scale < 1 else image
        for colours in (256, 64):
            buffer = io.BytesIO()
            # Median cut, although the octree is faster: that one drops pale greys, and with them whole buttons.
            scaled.quantize(colours, method=Image.Quantize.MEDIANCUT).save(buffer, "PNG", optimize=True)
            yield buffer.getvalue()
