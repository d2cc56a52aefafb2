"""A figure in a notebook that a repository page and a screen reader can show too."""

from __future__ import annotations

import io

LARGEST = 100_000  # bytes
RED, BLUE, GREEN, YELLOW = "#b42318", "#0b5c8a", "#1a7f37", "#f2a900"


class Picture:
    """A static PNG with its text for those who do not see it."""

    def __init__(self, png: bytes, alt: str):
        self.png, self.alt = png, alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        # The size is not in the text: it differs by a few bytes from machine to machine.
        return {"image/png": self.png, "text/plain": f"Picture: {self.alt}"}, {"image/png": {"alt": self.alt}}


def picture(figure, alt: str) -> Picture:
    """`figure` (of matplotlib) as a PNG of at most 100 KB; closes it. ``alt`` says in words what it shows."""
    import matplotlib.pyplot as plt

    for dpi in (110, 90, 70, 55):
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=dpi, bbox_inches="tight", facecolor="white")
        if buffer.tell() < LARGEST:
            break
    plt.close(figure)
    return Picture(buffer.getvalue(), alt)
