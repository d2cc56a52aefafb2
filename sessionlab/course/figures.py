"""The pictures of the chapters, each from what was measured."""

from __future__ import annotations

import json
from pathlib import Path

from sessionlab.course.picture import Picture, picture
from sessionlab.course.recorded import FOLDER

GUIDE = (1, 3, 7, 15, 31, 63)  # seconds after the cut, by Panel's guide: waits of 1, 2, 4, 8, 16 and 32
RED, BLUE = "#b42318", "#0b5c8a"


class Backoff:
    """The attempts of a page whose wire stays cut, recorded in real time: seconds after the cut."""

    def __init__(self, file: Path = FOLDER / "backoff.json"):
        recording = json.loads(file.read_text())
        self.versions = recording["versions"]
        self.attempts = [round(at, 1) for at in recording["attempts"]]
        self.notice = recording["last_toast"]

    def __str__(self) -> str:
        return f"attempts after {self.attempts} s; the last notice: {self.notice!r}"

    def picture(self) -> Picture:
        """What was measured below what the guide says."""
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 1.8))
        axes.plot(GUIDE, [1] * len(GUIDE), "o", ms=9, mfc="none", mec=RED, mew=2)
        axes.plot(self.attempts, [0] * len(self.attempts), "v", ms=9, color=BLUE)
        axes.set(yticks=[0, 1], yticklabels=["measured", "the guide"], ylim=(-0.6, 1.6), xlim=(-2, 66))
        axes.set_xlabel("seconds after the cut")
        guide, measured = (", ".join(f"{at:g}" for at in times) for times in (GUIDE, self.attempts))
        return picture(figure, f"Attempts to reconnect. The guide: after {guide} s. Measured: after {measured} s.")
